// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * Bits of an EPT entry that hardware reads or writes (SDM vol. 3, 29.3.2). Those that it ignores
 * are software's: 11, 62:52 (with a few exceptions that this CPU does not have), and 63 as long as
 * virtualization exceptions are off.
 */
public final class EptEntry {
  /** Reads are allowed. */
  public static final long READ = 1L;

  /** Writes are allowed. */
  public static final long WRITE = 1L << 1;

  /** Fetches are allowed; with mode-based execute control, those of supervisor mode. */
  public static final long EXECUTE = 1L << 2;

  /** The rights without mode-based execute control; none of them: the entry is not present. */
  public static final long RIGHTS = READ | WRITE | EXECUTE;

  /** Lowest bit of the memory type, in entries that map a page. */
  public static final int TYPE_SHIFT = 3;

  /** Mask of a memory type, after the shift. */
  public static final long TYPE_MASK = 7;

  /** Memory type: uncacheable. */
  public static final int UC = 0;

  /** Memory type: write combining. */
  public static final int WC = 1;

  /** Memory type: write through. */
  public static final int WT = 4;

  /** Memory type: write protected. */
  public static final int WP = 5;

  /** Memory type: write back. */
  public static final int WB = 6;

  /** Ignore the guest's PAT, in entries that map a page. */
  public static final long IGNORE_PAT = 1L << 6;

  /** The entry maps a page although it is above the last level. */
  public static final long PAGE = 1L << 7;

  /** Accessed, if the EPTP enables it. */
  public static final long A = 1L << 8;

  /** Dirty, in entries that map a page, if the EPTP enables it. */
  public static final long D = 1L << 9;

  /** With mode-based execute control: fetches of user mode are allowed. */
  public static final long USER_EXECUTE = 1L << 10;

  /** Bits 51:12, the address of the frame or table. */
  public static final long FRAME = PageEntry.FRAME;

  /** Suppress #VE; ignored as long as virtualization exceptions are off. */
  public static final long SUPPRESS_VE = 1L << 63;

  private EptEntry() {}

  /** A memory type in its place in an entry. */
  public static long type(int type) {
    return (long) type << TYPE_SHIFT;
  }

  /** The memory type in an entry. */
  public static int typeOf(long entry) {
    return (int) (entry >>> TYPE_SHIFT & TYPE_MASK);
  }

  /** Whether there is such a memory type: 2, 3 and 7 are none, and misconfigurations. */
  public static boolean isType(int type) {
    return type == UC || type == WC || type >= WT && type <= WB;
  }
}
