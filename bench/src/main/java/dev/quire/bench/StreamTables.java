// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.x86.PageEntry;

/**
 * Builds four-level page tables in frames from 1 on, in order of need. The pages of streams lie
 * scattered behind them by a formula; C kernels build the same.
 */
final class StreamTables {
  private static final long FIRST_PAGE_FRAME = 1L << 21;
  private static final long SCATTER = 2654435761L;
  private static final long SCATTERED = 0xfffffL;

  /** Where tables are written. */
  interface Frames {
    /** The quadwords of a frame. */
    long[] frame(long number);
  }

  private final Frames frames;

  /** The address of frame 0. */
  private final long base;

  private long used = 1;

  /** Tables in memory from address 0 on. */
  StreamTables(Frames frames) {
    this(frames, 0);
  }

  /**
   * Tables in a part of memory.
   *
   * @param frames by number within that part
   * @param base its address
   */
  StreamTables(Frames frames, long base) {
    this.frames = frames;
    this.base = base;
  }

  /** Maps a stream's pages in new tables; answers the address of the root. */
  long map(Stream stream) {
    long root = newTable();
    for (long page : stream.pages()) {
      long linear = page & Stream.LINEAR_PAGE;
      map(root, linear, page & ~Stream.LINEAR_PAGE | frameOf(linear) << 12);
    }
    return root;
  }

  /** The frame of the page at a linear address. */
  static long frameOf(long linear) {
    return FIRST_PAGE_FRAME + ((linear >>> 12) * SCATTER & SCATTERED);
  }

  /** One past the last table. Unit: frames. */
  long end() {
    return used;
  }

  /** The address of an empty table. */
  long newTable() {
    return base + (used++ << 12);
  }

  /** Puts an entry where the walk of an address ends, and tables on the way there. */
  void map(long root, long linear, long leaf) {
    long table = root;
    for (int shift = 39; shift > 12; shift -= 9) {
      long[] entries = frames.frame(table - base >>> 12);
      int index = (int) (linear >>> shift) & 511;
      if ((entries[index] & PageEntry.P) == 0) {
        entries[index] = newTable() | PageEntry.P | PageEntry.RW | PageEntry.US;
      }
      table = entries[index] & PageEntry.FRAME;
    }
    frames.frame(table - base >>> 12)[(int) (linear >>> 12) & 511] = leaf;
  }
}
