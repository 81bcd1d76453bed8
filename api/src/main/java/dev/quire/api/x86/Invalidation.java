// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The operands of INVLPG and INVPCID (SDM vol. 2). The second word of an INVPCID operation packs
 * the type in bits 31:0 and the PCID in bits 63:32.
 */
public final class Invalidation {
  /** One address of one PCID; what is global may stay. */
  public static final int ADDRESS = 0;

  /** One PCID, except what is global. */
  public static final int CONTEXT = 1;

  /** Everything. */
  public static final int ALL = 2;

  /** Everything except what is global. */
  public static final int ALL_NON_GLOBAL = 3;

  private Invalidation() {}

  /**
   * Packs the second operand.
   *
   * @param type a constant of this class, or what a guest mistakes for one
   * @param pcid process-context identifier
   */
  public static long pack(int type, int pcid) {
    return (long) pcid << 32 | type & 0xffffffffL;
  }

  /** The type in a packed operand. */
  public static int type(long packed) {
    return (int) packed;
  }

  /** The PCID in a packed operand; bits 63:12 of the descriptor must be zero. */
  public static int pcid(long packed) {
    return (int) (packed >>> 32);
  }

  /**
   * Whether a linear address is one in the mode that the registers select: in long mode it must be
   * canonical, elsewhere its upper half does not exist.
   */
  public static boolean isAddress(long linear, long cr0, long cr4, long efer) {
    PagingFormat format = PagingRules.format(cr4, efer);
    return (cr0 & Cr0.PG) == 0 || !format.isLongMode() || format.isCanonical(linear);
  }

  /**
   * Whether the operands of INVPCID are legal; otherwise #GP(0).
   *
   * @param packed type and PCID
   * @param address whether the linear address {@linkplain #isAddress is one}
   * @param cr4 of the guest
   */
  public static boolean isLegal(long packed, boolean address, long cr4) {
    int type = type(packed);
    int pcid = pcid(packed);
    if (type < ADDRESS || type > ALL_NON_GLOBAL || pcid < 0 || pcid > Cr3.PCID) {
      return false;
    }
    if (type >= ALL) {
      return true;
    }
    boolean pcids = (cr4 & Cr4.PCIDE) != 0;
    return (pcids || pcid == 0) && (type == CONTEXT || address);
  }
}
