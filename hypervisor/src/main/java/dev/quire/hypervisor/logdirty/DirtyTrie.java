// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/**
 * A bitmap over guest frames, sparse: three levels of nodes over pages of bits, all out of the
 * domain's pool.
 *
 * <pre>
 *   41.....33 32.....24 23.....15 14......0
 *   level 4   level 3   level 2   bit of a page
 * </pre>
 *
 * <p>A node's entry is the address of the page below with bit 0 set, or 0.
 */
final class DirtyTrie {
  /** log2 of the bits of a page. */
  static final int PAGE_BITS = 15;

  /** log2 of how many frames there is place for. */
  static final int WIDTH = PAGE_BITS + 3 * 9;

  private static final int TOP = 4;
  private static final int FANOUT_BITS = 9;
  private static final long PRESENT = 1;

  /** What became of a bit. */
  enum Outcome {
    SET,
    WAS_SET,
    NO_MEMORY
  }

  private final PagingPool pool;
  private final PhysicalMemory memory;
  private @Mfn long top = Addresses.mfn(PagingPool.NONE);
  private long pages;

  DirtyTrie(PagingPool pool, PhysicalMemory memory) {
    this.pool = pool;
    this.memory = memory;
  }

  /** How many pages of the pool it takes. */
  long pages() {
    return pages;
  }

  Outcome set(@Gfn long gfn) {
    if (top == PagingPool.NONE) {
      top = newPage();
      if (top == PagingPool.NONE) {
        return Outcome.NO_MEMORY;
      }
    }
    @Mfn long page = top;
    for (int level = TOP; level > 1; level--) {
      page = childOrNew(entryAt(page, index(gfn, level)));
      if (page == PagingPool.NONE) {
        return Outcome.NO_MEMORY;
      }
    }
    long[] bits = memory.frame(page);
    int word = (int) (gfn >>> 6) & PhysicalMemory.FRAME_LONGS - 1;
    long bit = 1L << gfn;
    boolean was = (bits[word] & bit) != 0;
    bits[word] |= bit;
    return was ? Outcome.WAS_SET : Outcome.SET;
  }

  private @Mfn long childOrNew(@Maddr long entry) {
    long value = memory.load(entry, Long.BYTES);
    if (value != 0) {
      return page(value);
    }
    @Mfn long made = newPage();
    if (made != PagingPool.NONE) {
      memory.store(entry, Long.BYTES, made << Addresses.PAGE_SHIFT | PRESENT);
    }
    return made;
  }

  private @Mfn long newPage() {
    @Mfn long page = pool.allocate();
    pages += page == PagingPool.NONE ? 0 : 1;
    return page;
  }

  private static @Mfn long page(long value) {
    return Addresses.mfn(value >>> Addresses.PAGE_SHIFT);
  }

  private static int index(@Gfn long gfn, int level) {
    return (int) (gfn >>> PAGE_BITS + FANOUT_BITS * (level - 2)) & (1 << FANOUT_BITS) - 1;
  }

  private static @Maddr long entryAt(@Mfn long page, int index) {
    return Addresses.mfnToMaddr(page, (long) index << 3);
  }

  /**
   * Copies a page of bits and clears it, if asked.
   *
   * @param number of the page: the frames from {@code number << PAGE_BITS} on
   * @param to receives the bits, from the word of the first of them on, as far as it goes; null to
   *     copy nothing
   * @param frames bits of this frame and those after it are 0 in the copy
   */
  void copy(long number, long[] to, long frames, boolean clear) {
    @Gfn long first = Addresses.gfn(number << PAGE_BITS);
    @Mfn long page = find(first);
    int from = (int) (first >>> 6);
    int words = (int) Math.min(PhysicalMemory.FRAME_LONGS, (frames - first + 63) >>> 6);
    if (page == PagingPool.NONE) {
      Arrays.fill(to, from, from + words, 0);
      return;
    }
    long[] bits = memory.frame(page);
    System.arraycopy(bits, 0, to, from, words);
    if (first + ((long) words << 6) > frames) {
      to[from + words - 1] &= -1L >>> -frames;
    }
    if (clear) {
      Arrays.fill(bits, 0);
    }
  }

  /** Clears a page of bits. */
  void clear(long number) {
    @Mfn long page = find(Addresses.gfn(number << PAGE_BITS));
    if (page != PagingPool.NONE) {
      Arrays.fill(memory.frame(page), 0);
    }
  }

  private @Mfn long find(@Gfn long gfn) {
    @Mfn long page = top;
    for (int level = TOP; level > 1 && page != PagingPool.NONE; level--) {
      long value = memory.load(entryAt(page, index(gfn, level)), Long.BYTES);
      page = value == 0 ? Addresses.mfn(PagingPool.NONE) : page(value);
    }
    return page;
  }

  /**
   * Gives pages back, each before the one above it.
   *
   * @return whether all are back; if not, the next call goes on
   */
  boolean free(Preemption preemption) {
    if (top == PagingPool.NONE) {
      return true;
    }
    if (!freeBelow(top, TOP, preemption)) {
      return false;
    }
    release(top);
    top = Addresses.mfn(PagingPool.NONE);
    return true;
  }

  private boolean freeBelow(@Mfn long page, int level, Preemption preemption) {
    for (int i = 0; i < PhysicalMemory.FRAME_LONGS && level > 1; i++) {
      @Maddr long entry = entryAt(page, i);
      long value = memory.load(entry, Long.BYTES);
      if (value == 0) {
        continue;
      }
      if (!freeBelow(page(value), level - 1, preemption)) {
        return false;
      }
      memory.store(entry, Long.BYTES, 0);
      release(page(value));
      if (preemption.isRequested()) {
        return false;
      }
    }
    return true;
  }

  private void release(@Mfn long page) {
    pages--;
    pool.free(page);
  }

  /** How many pages and bits are to be found from the top, for audits. */
  long[] recount() {
    long[] found = new long[2];
    if (top != PagingPool.NONE) {
      recount(top, TOP, found);
    }
    return found;
  }

  private void recount(@Mfn long page, int level, long[] found) {
    found[0]++;
    for (long value : memory.frameToRead(page)) {
      if (level == 1) {
        found[1] += Long.bitCount(value);
      } else if (value != 0) {
        recount(page(value), level - 1, found);
      }
    }
  }
}
