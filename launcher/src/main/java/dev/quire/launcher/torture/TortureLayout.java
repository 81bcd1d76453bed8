// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;

/**
 * What every guest of a torture begins with: tables of each format in the first frames of 8 MiB,
 * two roots each, many of them shared.
 *
 * <pre>
 *   frame   1, 2    roots of 2-level paging      3, 4    last-level tables     5   the window
 *           8..11   last-level tables            12      the window
 *           13, 14  level 2     15, 16  level 3     17, 18  level 4     19, 20  level 5
 *           21      the level-3 entries of PAE, both roots       24..31  data
 *   index   0, 1 tables    2 a large page    3 the window (level 2), itself (some of level 3 to 5)
 * </pre>
 *
 * The window maps the first 64 frames, tables and data; so does the large page at address 0.
 */
final class TortureLayout {
  /** RAM. Unit: frames. */
  static final int FRAMES = 2048;

  /** So many frames, from 0, are what programs are about; a window maps them. */
  static final int WINDOW_FRAMES = 64;

  /** Of a level-2 table: the entry that maps a large page. */
  static final int LARGE_INDEX = 2;

  /** Of a level-2 table: the entry that refers to a window. */
  static final int WINDOW_INDEX = 3;

  /** The last index of a root in long mode that is used: of the upper half. */
  static final int HIGH_INDEX = 511;

  static final int DATA = 24;
  static final int DATA_FRAMES = 8;
  static final int PAE_ROOT = 21;

  private static final int WINDOW_32 = 5;
  private static final int WINDOW_64 = 12;
  private static final int[][] TABLES_32 = {{}, {3, 4, WINDOW_32}, {1, 2}};
  private static final int[][] TABLES_64 = {
    {}, {8, 9, 10, 11, WINDOW_64}, {13, 14}, {15, 16}, {17, 18}, {19, 20}
  };
  private static final long LEAF = PageEntry.P | PageEntry.RW | PageEntry.US;
  private static final long MAPS = LEAF | PageEntry.PS;
  private static final long PAGED = Cr0.PE | Cr0.PG | Cr0.WP;

  /** A mode of paging that a program may choose. */
  enum Mode {
    UNPAGED(PagingFormat.TWO_LEVEL, Cr0.PE, 0, 0),
    TWO_LEVEL(PagingFormat.TWO_LEVEL, PAGED, Cr4.PSE, 0),
    PAE(PagingFormat.PAE, PAGED, Cr4.PAE, Efer.NXE),
    FOUR_LEVEL(PagingFormat.FOUR_LEVEL, PAGED, Cr4.PAE, Efer.LME | Efer.NXE),
    FIVE_LEVEL(PagingFormat.FIVE_LEVEL, PAGED, Cr4.PAE | Cr4.LA57, Efer.LME | Efer.NXE);

    private static final List<Mode> ALL = List.of(values());

    private final PagingFormat format;
    private final long cr0;
    private final long cr4;
    private final long efer;

    Mode(PagingFormat format, long cr0, long cr4, long efer) {
      this.format = format;
      this.cr0 = cr0;
      this.cr4 = cr4;
      this.efer = efer;
    }

    /** The modes in order. */
    static List<Mode> all() {
      return ALL;
    }

    PagingFormat format() {
      return format;
    }

    boolean isPaged() {
      return this != UNPAGED;
    }

    long cr0() {
      return cr0;
    }

    long cr4() {
      return cr4;
    }

    long efer() {
      return efer;
    }

    /** What CR3 is loaded with for a root. */
    long root(int number) {
      return switch (this) {
        case UNPAGED, TWO_LEVEL -> (long) TABLES_32[2][number] << 12;
        case PAE -> (long) PAE_ROOT << 12 | number * 32L;
        default -> (long) TABLES_64[format.levels()][number] << 12;
      };
    }

    /** The frames of tables of a level; of PAE's level 3 the one frame with both. */
    int[] tables(int level) {
      if (format.entryBytes() == 4) {
        return TABLES_32[level];
      }
      return this == PAE && level == 3 ? new int[] {PAE_ROOT} : TABLES_64[level];
    }
  }

  private TortureLayout() {}

  /** The content of the first frames. */
  static long[][] frames() {
    long[][] frames = new long[WINDOW_FRAMES][PhysicalMemory.FRAME_LONGS];
    for (int i = 0; i < 4; i++) {
      for (int table = 0; table < 4; table++) {
        frames[8 + table][i] = data(table * 4 + i);
      }
      set32(frames[3], i, data(i));
      set32(frames[4], i, data(i + 4));
    }
    for (int frame = 0; frame < WINDOW_FRAMES; frame++) {
      frames[WINDOW_64][frame] = (long) frame << 12 | LEAF;
      set32(frames[WINDOW_32], frame, (long) frame << 12 | LEAF);
    }
    set32(frames[1], 3, 4, MAPS, WINDOW_32);
    set32(frames[2], 4, 3, 1 << 22 | MAPS, WINDOW_32);
    set(frames[13], 8, 9, MAPS, WINDOW_64);
    set(frames[14], 10, 9, 1 << 21 | MAPS, WINDOW_64);
    set(frames[15], 13, 14, 13, MAPS);
    set(frames[16], 14, 13, 14, 16);
    roots(frames[17], 15, 16, 17, 15);
    roots(frames[18], 16, 15, 17, 16);
    roots(frames[19], 17, 18, 19, 17);
    roots(frames[20], 18, 17, 19, 18);
    int[] directories = {13, 14, 13, 0, 14, 13, 14, 0};
    for (int i = 0; i < directories.length; i++) {
      frames[PAE_ROOT][i] = directories[i] == 0 ? 0 : pdpte(directories[i]);
    }
    return frames;
  }

  /** A PDPTE of PAE paging. */
  static long pdpte(int frame) {
    return (long) frame << 12 | PageEntry.P;
  }

  private static long data(int number) {
    return (long) (DATA + number % DATA_FRAMES) << 12 | LEAF;
  }

  /** An entry: a frame's number stands for a reference to it. */
  private static long entry(long number) {
    return number < WINDOW_FRAMES ? number << 12 | LEAF : number;
  }

  private static void set(long[] table, long... numbers) {
    for (int i = 0; i < numbers.length; i++) {
      table[i] = entry(numbers[i]);
    }
  }

  private static void roots(long[] table, int first, int second, int third, int high) {
    set(table, first, second, third);
    table[HIGH_INDEX] = entry(high);
  }

  private static void set32(long[] table, long first, long second, long page, long window) {
    long[] numbers = {first, second, page, window};
    for (int i = 0; i < numbers.length; i++) {
      set32(table, i, entry(numbers[i]));
    }
  }

  private static void set32(long[] table, int index, long entry) {
    int shift = 32 * (index & 1);
    table[index >> 1] = table[index >> 1] & ~(0xffffffffL << shift) | entry << shift;
  }
}
