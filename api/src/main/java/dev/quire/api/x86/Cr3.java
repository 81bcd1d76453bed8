// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Fields of CR3 and of the operand of MOV to CR3 (SDM vol. 3, 4.5, 4.10.4.1). */
public final class Cr3 {
  /** In the operand, with CR4.PCIDE = 1: keep the TLB entries of the PCID. Never stored in CR3. */
  public static final long NO_FLUSH = 1L << 63;

  /** The process-context identifier, with CR4.PCIDE = 1. */
  public static final long PCID = 0xfffL;

  /** Address of the 4 KiB-aligned root of 4- and 5-level tables. */
  public static final long ROOT = 0x000ffffffffff000L;

  /** Address of the 4 KiB-aligned root of 2-level tables. */
  public static final long ROOT_2_LEVEL = 0xfffff000L;

  /** Address of the 32-byte-aligned page-directory-pointer table of PAE paging. */
  public static final long ROOT_PAE = 0xffffffe0L;

  private Cr3() {}
}
