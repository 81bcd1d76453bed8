// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import dev.quire.api.hw.Operation;
import java.util.Arrays;

/**
 * The recording's {@code dict}, virtual page number to physical page number: a hash table with open
 * addressing, and before it a small direct-mapped cache for {@link #places}.
 *
 * <p>The table is an array of pairs. The cache has two arrays: at the low bits of a page's number,
 * the page's first address as operations hold it, and what to add to get a physical address.
 */
final class PageMap {
  private static final long ABSENT = -1;

  /** 2^64 divided by the golden ratio: neighbouring pages land far apart. */
  private static final long HASH = 0x9E37_79B9_7F4A_7C15L;

  private static final int CACHED = 1024;
  private static final int PAGE_SHIFT = 12;

  /** The bits of an operation that say which page it is about. */
  private static final long PAGE = Operation.ADDRESS & -1L << PAGE_SHIFT;

  private final long[] cachedPages = new long[CACHED];
  private final long[] cachedDistances = new long[CACHED];
  private int bits = 10;
  private int size;
  private long[] table = absent(1 << bits);

  PageMap() {
    for (int page = 0; page < CACHED; page++) {
      forget(page);
    }
  }

  void put(long page, long physicalPage) {
    int at = find(page);
    if (table[at] == ABSENT) {
      if (2 * ++size > 1 << bits) {
        grow();
        at = find(page);
      }
      table[at] = page;
    }
    table[at + 1] = physicalPage;
    forget(page);
  }

  /**
   * Looks up where accesses went.
   *
   * @param operations packed operations; the low 57 bits are the address
   * @param physical receives the physical addresses. Unit: bytes
   * @return false if the page of some address is not in the map
   */
  boolean places(long[] operations, long[] physical, int from, int to) {
    int i = from;
    while (i < to) {
      i = cachedPlaces(operations, physical, i, to);
      if (i < to && !cache(page(operations[i]))) {
        return false;
      }
    }
    return true;
  }

  /** Goes on while the cache knows; the call that fills it is outside the loop, for speed. */
  private int cachedPlaces(long[] operations, long[] physical, int from, int to) {
    final long[] pages = cachedPages;
    final long[] distances = cachedDistances;
    for (int i = from; i < to; i++) {
      long operation = operations[i];
      int slot = (int) (operation >>> PAGE_SHIFT);
      if (((operation ^ pages[slot & pages.length - 1]) & PAGE) != 0) {
        return i;
      }
      physical[i] = (operation & Operation.ADDRESS) + distances[slot & distances.length - 1];
    }
    return to;
  }

  private boolean cache(long page) {
    int at = find(page);
    if (table[at] == ABSENT) {
      return false;
    }
    long first = page << PAGE_SHIFT & Operation.ADDRESS;
    cachedPages[slot(page)] = first;
    cachedDistances[slot(page)] = (table[at + 1] << PAGE_SHIFT) - first;
    return true;
  }

  /** Puts a page of another slot in the page's slot: nothing there matches. */
  private void forget(long page) {
    cachedPages[slot(page)] = (page ^ 1) << PAGE_SHIFT;
  }

  private static long page(long operation) {
    return operation << 7 >> 7 >>> PAGE_SHIFT;
  }

  private static int slot(long page) {
    return (int) page & CACHED - 1;
  }

  /** Index of the page's pair in the table, or of the free pair where it belongs. */
  private int find(long page) {
    int mask = table.length - 1;
    int at = (int) (page * HASH >>> Long.SIZE - bits) << 1;
    while (table[at] != page && table[at] != ABSENT) {
      at = (at + 2) & mask;
    }
    return at;
  }

  private void grow() {
    long[] old = table;
    table = absent(1 << ++bits);
    for (int i = 0; i < old.length; i += 2) {
      if (old[i] != ABSENT) {
        int at = find(old[i]);
        table[at] = old[i];
        table[at + 1] = old[i + 1];
      }
    }
  }

  private static long[] absent(int count) {
    long[] pairs = new long[2 * count];
    Arrays.fill(pairs, ABSENT);
    return pairs;
  }
}
