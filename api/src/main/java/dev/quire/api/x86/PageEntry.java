// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * Bits of a paging-structure entry of the 2-level, PAE, 4- and 5-level formats and of NPT (SDM vol.
 * 3, 4.3 to 4.5).
 */
public final class PageEntry {
  /** Present. */
  public static final long P = 1L;

  /** Writable. */
  public static final long RW = 1L << 1;

  /** User-mode accesses are allowed. */
  public static final long US = 1L << 2;

  /** Write-through. */
  public static final long PWT = 1L << 3;

  /** Cache disable. */
  public static final long PCD = 1L << 4;

  /** Accessed. */
  public static final long A = 1L << 5;

  /** Dirty; ignored in entries that refer to a table. */
  public static final long D = 1L << 6;

  /**
   * Page size: the entry maps a page although it is above the last level. Bit 7 of a last-level
   * entry is PAT.
   */
  public static final long PS = 1L << 7;

  /** Global; ignored in entries that refer to a table. */
  public static final long G = 1L << 8;

  /**
   * Software's bit that means "switch to nested mode below" in an entry of the root, on a CPU with
   * {@link CpuProfile.Feature#SWITCHING_BIT}. No real CPU has that.
   */
  public static final long SWITCHES = 1L << 58;

  /** Execute disable. */
  public static final long NX = 1L << 63;

  /** Bits 51:12, the address of the frame or table. */
  public static final long FRAME = 0x000ffffffffff000L;

  /** Lowest bit of the protection key, in entries that map a page. */
  public static final int KEY_SHIFT = 59;

  /** Mask of a protection key, after the shift. */
  public static final long KEY_MASK = 0xf;

  /** The flags below the frame and NX, for printing. */
  private static final String[] LOW_NAMES = {"P", "RW", "US", "PWT", "PCD", "A", "D", "PS", "G"};

  private PageEntry() {}

  /**
   * The names of the flags that are set, for people: {@code "P RW US A"}.
   *
   * @param entry the entry as it stands in memory
   */
  public static String describe(long entry) {
    StringBuilder names = new StringBuilder();
    for (int bit = 0; bit < LOW_NAMES.length; bit++) {
      if ((entry >>> bit & 1) != 0) {
        names.append(names.isEmpty() ? "" : " ").append(LOW_NAMES[bit]);
      }
    }
    if (entry < 0) {
      names.append(" NX");
    }
    long key = entry >>> KEY_SHIFT & KEY_MASK;
    return key == 0 ? names.toString() : names + " key=" + key;
  }
}
