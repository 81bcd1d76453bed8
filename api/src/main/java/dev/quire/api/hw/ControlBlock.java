// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;

/**
 * What the hardware runs one vCPU with, and why it stopped: VMCB and VMCS in one. The hypervisor
 * sets the defaults; the backend sets root, format and intercepts; the guest interface sets the CPL
 * mapping. Nobody else writes it. While the vCPU runs, it is the CPU's.
 *
 * <p>What the guest believes its registers to be is not here but in the vCPU.
 */
public final class ControlBlock {
  private final Registers registers = new Registers();
  private final NestedPaging nested = new NestedPaging();
  private int tag;
  private boolean kernelIsUser;
  private long cr0Shadow;
  private long cr4Shadow;
  private long cr0Intercepts;
  private long cr4Intercepts;
  private boolean cr3Intercepted;
  private boolean eferIntercepted;
  private boolean keysIntercepted;
  private boolean invalidationIntercepted;
  private boolean pageFaultsIntercepted;
  private int pageFaultMask;
  private int pageFaultMatch;

  private int exitVector;
  private int exitErrorCode;
  private @Gva long exitLinear;
  private long exitFault;
  private @Gpa long exitGuestPhysical;
  private long exitQualification;

  /** The registers that the hardware runs with. */
  public Registers registers() {
    return registers;
  }

  /** The second dimension: nested or extended page tables; off at the beginning. */
  public NestedPaging nested() {
    return nested;
  }

  /** The address-space tag: VPID or ASID. 0 is the host's own. */
  public int tag() {
    return tag;
  }

  /** Sets the address-space tag. */
  public void tag(int value) {
    tag = value;
  }

  /** Whether the guest's kernel runs at CPL 3 too, as 64-bit Xen PV guests do. */
  public boolean kernelIsUser() {
    return kernelIsUser;
  }

  /** Maps the guest's kernel privilege; set by the guest interface. */
  public void kernelIsUser(boolean value) {
    kernelIsUser = value;
  }

  /** What the guest believes CR0 to hold: a MOV is compared with it (VMX: read shadow). */
  public long cr0Shadow() {
    return cr0Shadow;
  }

  /** What the guest believes CR4 to hold: a MOV is compared with it (VMX: read shadow). */
  public long cr4Shadow() {
    return cr4Shadow;
  }

  /** Sets what the guest believes; the hypervisor does before each entry. */
  public void shadows(long cr0, long cr4) {
    cr0Shadow = cr0;
    cr4Shadow = cr4;
  }

  /** Bits of CR0 whose change by MOV exits. */
  public long cr0Intercepts() {
    return cr0Intercepts;
  }

  /** Bits of CR4 whose change by MOV exits. */
  public long cr4Intercepts() {
    return cr4Intercepts;
  }

  /** Whether MOV to CR3 exits. */
  public boolean cr3Intercepted() {
    return cr3Intercepted;
  }

  /** Whether WRMSR of EFER exits. */
  public boolean eferIntercepted() {
    return eferIntercepted;
  }

  /** Whether writes of PKRU and PKRS exit. */
  public boolean keysIntercepted() {
    return keysIntercepted;
  }

  /** Whether INVLPG and INVPCID exit. */
  public boolean invalidationIntercepted() {
    return invalidationIntercepted;
  }

  /** Sets what exits of the writes to registers. */
  public void interceptRegisters(long cr0, boolean cr3, long cr4, boolean efer, boolean keys) {
    cr0Intercepts = cr0;
    cr3Intercepted = cr3;
    cr4Intercepts = cr4;
    eferIntercepted = efer;
    keysIntercepted = keys;
  }

  /** Sets whether INVLPG and INVPCID exit. */
  public void interceptInvalidation(boolean value) {
    invalidationIntercepted = value;
  }

  /**
   * Makes page faults exit whose error code, masked, equals {@code match}.
   *
   * @param mask bits of the error code that count
   * @param match their values
   */
  public void interceptPageFaults(int mask, int match) {
    pageFaultsIntercepted = true;
    pageFaultMask = mask;
    pageFaultMatch = match;
  }

  /** Delivers all page faults to the guest. */
  public void passPageFaults() {
    pageFaultsIntercepted = false;
  }

  /** Whether a page fault with this error code exits. */
  public boolean interceptsPageFault(int errorCode) {
    return pageFaultsIntercepted && (errorCode & pageFaultMask) == pageFaultMatch;
  }

  /** The vector of an exit by {@link ExitReason#FAULT} or {@link ExitReason#PAGE_FAULT}. */
  public int exitVector() {
    return exitVector;
  }

  /** The error code of such an exit. */
  public int exitErrorCode() {
    return exitErrorCode;
  }

  /**
   * The linear address of such an exit, if it is a page fault: what CR2 is loaded with. Of an exit
   * in the second dimension, the guest-linear address.
   */
  public @Gva long exitLinear() {
    return exitLinear;
  }

  /** The fault as the walk gave it (see {@link dev.quire.api.x86.Translation}): rule and level. */
  public long exitFault() {
    return exitFault;
  }

  /** Says what happened; for the CPU. */
  public void exit(int vector, int errorCode, @Gva long linear, long fault) {
    exitVector = vector;
    exitErrorCode = errorCode;
    exitLinear = linear;
    exitFault = fault;
  }

  /**
   * The guest-physical address of an exit by {@link ExitReason#NESTED_FAULT}, {@link
   * ExitReason#EPT_MISCONFIGURATION} or {@link ExitReason#PML_FULL}: EXITINFO2, or the VMCS field
   * of that name. Of an access to a guest's table it is the address of the entry.
   */
  public @Gpa long exitGuestPhysical() {
    return exitGuestPhysical;
  }

  /**
   * What an exit by {@link ExitReason#NESTED_FAULT} says of the access, to be read by {@link
   * dev.quire.api.x86.NestedFault}: EXITINFO1, or the exit qualification. 0 for the other two.
   */
  public long exitQualification() {
    return exitQualification;
  }

  /**
   * Says what happened in the second dimension; for the CPU.
   *
   * @param qualification of {@link dev.quire.api.x86.NestedFault}
   * @param guestPhysical the address that the nested tables did not translate
   * @param linear the guest-linear address, 0 if there is none
   * @param fault the rule that refused and the level of the nested entry, as a {@link
   *     dev.quire.api.x86.Translation}
   */
  public void exitNested(
      long qualification, @Gpa long guestPhysical, @Gva long linear, long fault) {
    exitQualification = qualification;
    exitGuestPhysical = guestPhysical;
    exitLinear = linear;
    exitFault = fault;
  }
}
