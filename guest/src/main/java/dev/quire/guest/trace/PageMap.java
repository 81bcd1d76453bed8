// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import java.util.Arrays;

/**
 * The recording's {@code dict}, virtual page number to physical page number: a hash table with open
 * addressing, and before it a small direct-mapped cache for {@link #places}.
 *
 * <p>Both are arrays of pairs. A pair of the cache is a page and what to add to an address in it to
 * get its physical address.
 */
final class PageMap {
  private static final long ABSENT = -1;

  /** 2^64 divided by the golden ratio: neighbouring pages land far apart. */
  private static final long HASH = 0x9E37_79B9_7F4A_7C15L;

  private static final int CACHED = 1024;
  private static final int PAGE_SHIFT = 12;

  private final long[] cache = absent(CACHED);
  private int bits = 10;
  private int size;
  private long[] table = absent(1 << bits);

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
    cache[cacheSlot(page)] = ABSENT;
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
    final long[] known = cache;
    for (int i = from; i < to; i++) {
      long va = operations[i] << 7 >> 7;
      long page = va >>> PAGE_SHIFT;
      int slot = ((int) page & CACHED - 1) << 1;
      if (known[slot] != page) {
        return i;
      }
      physical[i] = va + known[slot + 1];
    }
    return to;
  }

  private boolean cache(long page) {
    int at = find(page);
    if (table[at] == ABSENT) {
      return false;
    }
    int slot = cacheSlot(page);
    cache[slot] = page;
    cache[slot + 1] = table[at + 1] - page << PAGE_SHIFT;
    return true;
  }

  private static long page(long operation) {
    return operation << 7 >> 7 >>> PAGE_SHIFT;
  }

  private static int cacheSlot(long page) {
    return ((int) page & CACHED - 1) << 1;
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
