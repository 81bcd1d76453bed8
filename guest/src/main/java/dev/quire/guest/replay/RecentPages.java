// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import java.util.Arrays;

/**
 * For each frame the last few distinct pages through which the guest was seen to be able to write
 * it, newest first: a hash table with open addressing, a row of pages to each frame.
 */
final class RecentPages {
  /** Pages remembered for a frame. Measured: a fifth would find no store that four do not. */
  static final int KEPT = 4;

  /** No page: not page-aligned. */
  private static final long NONE = 1;

  private static final long HASH = 0x9E37_79B9_7F4A_7C15L;

  private int bits = 12;
  private int size;
  private long[] frames = filled(1 << bits);
  private long[] pages = filled(KEPT << bits);

  /** Notes that {@code linear} led to {@code frame}. */
  void add(@Gfn long frame, @Gva long linear) {
    long page = linear & -Addresses.PAGE_SIZE;
    int row = row(frame) * KEPT;
    if (pages[row] == page) {
      return;
    }
    int last = row + 1;
    while (last < row + KEPT - 1 && pages[last] != page) {
      last++;
    }
    System.arraycopy(pages, row, pages, row + 1, last - row);
    pages[row] = page;
  }

  /** How many pages are remembered for a frame. */
  int count(@Gfn long frame) {
    int at = find(frame);
    if (frames[at] == NONE) {
      return 0;
    }
    int count = 0;
    while (count < KEPT && pages[at * KEPT + count] != NONE) {
      count++;
    }
    return count;
  }

  /** The first address of a page: {@code age} 0 is the newest. */
  @Gva
  long page(@Gfn long frame, int age) {
    return Addresses.gva(pages[find(frame) * KEPT + age]);
  }

  private int row(@Gfn long frame) {
    int at = find(frame);
    if (frames[at] == NONE) {
      if (2 * ++size > frames.length) {
        grow();
        at = find(frame);
      }
      frames[at] = key(frame);
    }
    return at;
  }

  /** Frame numbers are stored doubled, so that none is {@link #NONE}. */
  private static long key(@Gfn long frame) {
    return frame << 1;
  }

  private int find(@Gfn long frame) {
    int at = (int) (frame * HASH >>> Long.SIZE - bits);
    while (frames[at] != key(frame) && frames[at] != NONE) {
      at = at + 1 & frames.length - 1;
    }
    return at;
  }

  private void grow() {
    long[] oldFrames = frames;
    long[] oldPages = pages;
    bits++;
    frames = filled(1 << bits);
    pages = filled(KEPT << bits);
    for (int i = 0; i < oldFrames.length; i++) {
      if (oldFrames[i] != NONE) {
        int at = find(Addresses.gfn(oldFrames[i] >> 1));
        frames[at] = oldFrames[i];
        System.arraycopy(oldPages, i * KEPT, pages, at * KEPT, KEPT);
      }
    }
  }

  private static long[] filled(int length) {
    long[] array = new long[length];
    Arrays.fill(array, NONE);
    return array;
  }
}
