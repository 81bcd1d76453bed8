// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/** How {@link Vcpu#run} came back. Every return is a safe point. */
public enum RunResult {
  /** The whole block is done. */
  DONE,
  /**
   * The guest must handle an exception: see the vCPU's fault; the operation at the block's index is
   * not begun.
   */
  FAULT,
  /** The vCPU waits for something, such as a paged-out frame; run the block again later. */
  BLOCKED,
  /** The domain has crashed; see {@link Domain#crashReason}. */
  DEAD
}
