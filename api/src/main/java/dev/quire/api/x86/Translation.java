// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The result of a walk in one word, since it crosses the hottest paths: what the page is and what
 * the entries of the walk permit together, or why there is none.
 *
 * <pre>
 *   translation   0 | 51..12 frame | 11 PRESENT | 10..7 key | 6..5 size | 4 D | 3 G | 2 X | 1 U | 0 W
 *   fault         1 | 52..48 rule | 43..40 level | 31..0 error code
 * </pre>
 *
 * This is what TLB entries cache: combined rights and not a verdict, because CR0.WP, SMEP, SMAP,
 * AC, PKRU, PKRS and CPL apply at each hit (SDM vol. 3, 4.10.2.2).
 */
public final class Translation {
  /** R/W = 1 in every entry of the walk. */
  public static final long WRITABLE = 1L;

  /** U/S = 1 in every entry of the walk: a user-mode address. */
  public static final long USER = 1L << 1;

  /** XD = 0 in every entry of the walk. */
  public static final long EXECUTABLE = 1L << 2;

  /** G = 1 in the entry that maps the page, with CR4.PGE = 1. */
  public static final long GLOBAL = 1L << 3;

  /** D = 1 in the entry that maps the page. */
  public static final long DIRTY = 1L << 4;

  /** Lowest bit of the size: the level of the entry that maps the page, less one. */
  public static final int SIZE_SHIFT = 5;

  /** Lowest bit of the protection key; zero outside long mode. */
  public static final int KEY_SHIFT = 7;

  /** Set in every translation, so that none is zero. */
  public static final long PRESENT = 1L << 11;

  /** Everything below the frame. */
  public static final long ATTRIBUTES = 0xfffL;

  private static final int RULE_SHIFT = 48;
  private static final int LEVEL_SHIFT = 40;
  private static final long FAULT = Long.MIN_VALUE;

  private Translation() {}

  /** Whether a walk ended in a fault. */
  public static boolean isFault(long result) {
    return result < 0;
  }

  /**
   * A fault.
   *
   * @param rule what refused
   * @param level the level of the entry that was refused, 0 if no entry was
   * @param errorCode as a page fault would push it
   */
  public static long fault(FaultRule rule, int level, int errorCode) {
    return FAULT
        | (long) rule.ordinal() << RULE_SHIFT
        | (long) level << LEVEL_SHIFT
        | errorCode & 0xffffffffL;
  }

  /** The error code of a fault. */
  public static int errorCode(long fault) {
    return (int) fault;
  }

  /** The rule behind a fault. */
  public static FaultRule rule(long fault) {
    return FaultRule.at((int) (fault >>> RULE_SHIFT) & 0x1f);
  }

  /** The level of the entry that a fault is about, 0 if it is about none. */
  public static int faultLevel(long fault) {
    return (int) (fault >>> LEVEL_SHIFT) & 0xf;
  }

  /** The level of the entry that maps the page: 1 for 4 KiB, 2 for 2 or 4 MiB, 3 for 1 GiB. */
  public static int level(long translation) {
    return size(translation) + 1;
  }

  /** The level less one: 0, 1 or 2. */
  public static int size(long translation) {
    return (int) translation >>> SIZE_SHIFT & 3;
  }

  /** Address of the frame. Within a large page, low bits that belong to the offset are zero. */
  public static long frame(long translation) {
    return translation & PageEntry.FRAME;
  }

  /** The protection key. */
  public static int key(long translation) {
    return (int) translation >>> KEY_SHIFT & 15;
  }

  /**
   * The physical address that a linear address reaches.
   *
   * @param translation not a fault
   * @param linear an address in that page
   * @param shift log2 of the page size
   */
  public static long address(long translation, long linear, int shift) {
    return frame(translation) | linear & (1L << shift) - 1;
  }
}
