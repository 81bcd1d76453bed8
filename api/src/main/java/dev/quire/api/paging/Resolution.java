// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

/** What became of an exit: the answer of a backend or of the guest interface to the exit loop. */
public enum Resolution {
  /** The cause is gone: run the operation again. */
  FIXED,
  /** The operation has been done in the hardware's place: go on behind it. */
  EMULATED,
  /** The guest must handle it: deliver the exception in the control block. */
  INJECT,
  /** The domain cannot go on; the host can. */
  CRASH
}
