// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

/**
 * The registers that paging depends on. A vCPU has one set, what its guest sees; a {@link
 * ControlBlock} has one, what the hardware runs with. Plain data: the rules of what may be written
 * are the machine's ({@link ControlRegisterUnit}).
 */
public final class Registers {
  /** How many PDPTE registers there are. */
  public static final int PDPTES = 4;

  /** Bits of {@link dev.quire.api.x86.Cr0}. */
  public long cr0 = dev.quire.api.x86.Cr0.RESET;

  /** Linear address of the last page fault. */
  public long cr2;

  /** Root and PCID, see {@link dev.quire.api.x86.Cr3}. Unit of the root: bytes. */
  public long cr3;

  /** Bits of {@link dev.quire.api.x86.Cr4}. */
  public long cr4;

  /** Bits of {@link dev.quire.api.x86.Efer}. */
  public long efer;

  /** Rights of user-mode keys: two bits a key, access disable and write disable. */
  public int pkru;

  /** Rights of supervisor-mode keys, IA32_PKRS. */
  public int pkrs;

  /** The page-directory-pointer-table entries, latched when CR3 is loaded under PAE paging. */
  public final long[] pdptes = new long[PDPTES];

  /** Makes these equal to {@code other}. */
  public void set(Registers other) {
    cr0 = other.cr0;
    cr2 = other.cr2;
    cr3 = other.cr3;
    cr4 = other.cr4;
    efer = other.efer;
    pkru = other.pkru;
    pkrs = other.pkrs;
    System.arraycopy(other.pdptes, 0, pdptes, 0, PDPTES);
  }
}
