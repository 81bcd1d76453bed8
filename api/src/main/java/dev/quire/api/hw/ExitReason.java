// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

/** Why a CPU stopped running a block; details are in the {@link ControlBlock}. */
public enum ExitReason {
  /** Every operation of the block is done. */
  DONE,
  /**
   * A guest event that nobody intercepts: an exception to be delivered to the guest. Not an exit in
   * the hardware's sense.
   */
  FAULT,
  /**
   * A page fault that the intercepts ask for (VMX: exception bitmap with error-code mask and
   * match).
   */
  PAGE_FAULT,
  /**
   * A write to a control register, EFER, PKRU or PKRS whose changed bits are intercepted, or a
   * restore of a register of which anything is.
   */
  REGISTER_WRITE,
  /** INVLPG, intercepted. */
  INVLPG,
  /** INVPCID, intercepted. */
  INVPCID,
  /** A hypercall. */
  HYPERCALL,
  /** The budget of operations is used up. */
  PREEMPTED
}
