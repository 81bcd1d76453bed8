// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/** Bits of CR4 that paging depends on (SDM vol. 3, 2.5). */
public final class Cr4 {
  /** 4 MiB pages with 2-level paging. */
  public static final long PSE = 1L << 4;

  /** Physical-address extension: 8-byte entries. */
  public static final long PAE = 1L << 5;

  /** Global pages. */
  public static final long PGE = 1L << 7;

  /** 5-level paging in long mode. */
  public static final long LA57 = 1L << 12;

  /** VMX operation; no part in paging. */
  public static final long VMXE = 1L << 13;

  /** Process-context identifiers. */
  public static final long PCIDE = 1L << 17;

  /** Supervisor-mode execution prevention. */
  public static final long SMEP = 1L << 20;

  /** Supervisor-mode access prevention. */
  public static final long SMAP = 1L << 21;

  /** Protection keys for user-mode pages. */
  public static final long PKE = 1L << 22;

  /** Protection keys for supervisor-mode pages. */
  public static final long PKS = 1L << 24;

  /**
   * The bits that have a part in paging; a change of one of them is what TLBs may have to know of.
   */
  public static final long PAGING = PSE | PAE | PGE | LA57 | PCIDE | SMEP | SMAP | PKE | PKS;

  private Cr4() {}
}
