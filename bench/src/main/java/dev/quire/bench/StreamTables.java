// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.x86.PageEntry;

/**
 * Builds the page tables of streams: tables in frames from 1 on in order of need, pages scattered
 * behind them by a formula. C kernels build the same.
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
  private long used = 1;

  StreamTables(Frames frames) {
    this.frames = frames;
  }

  /** Maps a stream's pages in new tables; answers the address of the root. */
  long map(Stream stream) {
    long root = newTable();
    for (long page : stream.pages()) {
      map(root, page);
    }
    return root;
  }

  private long newTable() {
    return used++ << 12;
  }

  private void map(long root, long page) {
    long linear = page & Stream.LINEAR_PAGE;
    long table = root;
    for (int shift = 39; shift > 12; shift -= 9) {
      long[] entries = frames.frame(table >>> 12);
      int index = (int) (linear >>> shift) & 511;
      if ((entries[index] & PageEntry.P) == 0) {
        entries[index] = newTable() | PageEntry.P | PageEntry.RW | PageEntry.US;
      }
      table = entries[index] & PageEntry.FRAME;
    }
    long frame = FIRST_PAGE_FRAME + ((linear >>> 12) * SCATTER & SCATTERED);
    frames.frame(table >>> 12)[(int) (linear >>> 12) & 511] =
        page & ~Stream.LINEAR_PAGE | frame << 12;
  }
}
