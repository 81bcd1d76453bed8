// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.HwEvent;

/**
 * Counts first-level hits by TLB and size of page at the price of one addition a hit: each entry
 * has a word that adds one to its lane of 12 bits, and a word of lanes is brought to the counters
 * before a lane can overflow. 4 KiB data pages have no lane; they are what the others leave.
 */
public final class HitLanes {
  /** How many hits a word of lanes can take. */
  public static final int MOST = (1 << 12) - 1;

  private static final int BITS = 12;
  private static final int LANES = 5;
  private static final int HITS = HwEvent.L1D_HITS_4K.ordinal();

  private HitLanes() {}

  /** What a hit adds for a page of a size, 0 to 2. */
  public static long one(boolean fetch, int size) {
    int lane = lane(fetch, size);
    return lane == 0 ? 0 : 1L << BITS * (lane - 1);
  }

  /** Which of the counters from the first on is that of a page of a size. */
  public static int lane(boolean fetch, int size) {
    return (fetch ? 3 : 0) + size;
  }

  /** Adds what the lanes of so many hits say to the counters. */
  public static void count(long[] counters, long lanes, int hits) {
    long others = 0;
    for (int lane = 0; lane < LANES; lane++) {
      long n = lanes >>> lane * BITS & MOST;
      counters[HITS + 1 + lane] += n;
      others += n;
    }
    counters[HITS] += hits - others;
  }
}
