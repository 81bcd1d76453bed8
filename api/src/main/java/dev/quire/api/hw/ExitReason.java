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
  /**
   * A nested page fault (AMD) or EPT violation (Intel): the second dimension does not permit the
   * access. Details: {@link ControlBlock#exitQualification} and {@link
   * ControlBlock#exitGuestPhysical}.
   */
  NESTED_FAULT,
  /** An EPT entry that no table may hold (SDM vol. 3, 29.3.3.1). */
  EPT_MISCONFIGURATION,
  /**
   * A write would set a D flag of EPT, and the page-modification log is full: drain it, set {@link
   * NestedPaging#pmlIndex} and enter again. The write is not begun.
   */
  PML_FULL,
  /** The budget of operations is used up. */
  PREEMPTED
}
