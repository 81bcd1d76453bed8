// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import org.osgi.annotation.versioning.ProviderType;

/**
 * The rules of writing control registers: which values and transitions raise #GP(0), what else
 * changes with the register, and what TLBs must then forget (SDM vol. 3, 2.5, 4.1.2, 4.10.4.1; APM
 * vol. 2, 3.1, 5.5). The CPU asks it when a guest owns the register, the hypervisor when the write
 * was intercepted. Obtained from {@link Machine#controlRegisters}.
 */
@ProviderType
public interface ControlRegisterUnit {
  /** The write is refused: #GP(0), nothing changed. */
  int GENERAL_PROTECTION = 1;

  /** Every entry of this address-space tag goes, global ones too. */
  int FLUSH_ALL = 1 << 1;

  /** The entries of every PCID that are not global go. */
  int FLUSH_NON_GLOBAL = 1 << 2;

  /** The entries of the PCID now in CR3 that are not global go. */
  int FLUSH_PCID = 1 << 3;

  /** What the rights rule or the format depends on has changed. */
  int RULES_CHANGED = 1 << 4;

  /** The instruction does not exist on this CPU: #UD. */
  int UNDEFINED = 1 << 5;

  /** Where PDPTEs are read from when they must be loaded; guest-physical for a guest. */
  @FunctionalInterface
  interface PdpteSource {
    /**
     * The entry at an address.
     *
     * @param address physical address in the address space that CR3 is in. Unit: bytes
     */
    long load(long address);
  }

  /**
   * Does a MOV to CR0, CR3 or CR4, a WRMSR of EFER or IA32_PKRS, or a WRPKRU.
   *
   * @param registers changed unless the answer is a fault
   * @param kind {@link Operation.Kind#MOV_CR0} and its like
   * @param operand the source operand
   * @param pdptes asked when the write loads the PDPTE registers
   * @return flags of this interface
   */
  int write(Registers registers, Operation.Kind kind, long operand, PdpteSource pdptes);
}
