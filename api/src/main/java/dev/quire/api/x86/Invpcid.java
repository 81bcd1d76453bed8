// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The operands of INVPCID as the operation's second word packs them: type in bits 31:0, PCID in
 * bits 63:32 (SDM vol. 2, INVPCID).
 */
public final class Invpcid {
  /** One address of one PCID; what is global may stay. */
  public static final int ADDRESS = 0;

  /** One PCID, except what is global. */
  public static final int CONTEXT = 1;

  /** Everything. */
  public static final int ALL = 2;

  /** Everything except what is global. */
  public static final int ALL_NON_GLOBAL = 3;

  private Invpcid() {}

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
   * Whether the operands are legal; otherwise #GP(0).
   *
   * @param packed type and PCID
   * @param canonical whether the linear address is canonical, or need not be
   * @param cr4 of the guest
   */
  public static boolean isLegal(long packed, boolean canonical, long cr4) {
    int type = type(packed);
    int pcid = pcid(packed);
    if (type < ADDRESS || type > ALL_NON_GLOBAL || pcid < 0 || pcid > Cr3.PCID) {
      return false;
    }
    if (type >= ALL) {
      return true;
    }
    boolean pcids = (cr4 & Cr4.PCIDE) != 0;
    return (pcids || pcid == 0) && (type == CONTEXT || canonical);
  }
}
