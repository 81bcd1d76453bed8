// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** TLBs of random shapes, most of them small, so that every set fills up and runs over. */
final class RandomGeometry {
  /** How pages of the three sizes can be spread over first-level TLBs: a mask of sizes for each. */
  private static final int[][] FIRST = {{1, 2, 4}, {1, 6}, {3, 4}, {5, 2}, {7}, {1}, {1, 2}, {3}};

  private static final int[][] SECOND = {
    {}, {1}, {3}, {3, 4}, {1, 2}, {7}, {1, 6}, {5, 2}, {2}, {4}
  };

  private final SplittableRandom random;
  private final Replacement replacement;

  private RandomGeometry(SplittableRandom random, Replacement replacement) {
    this.random = random;
    this.replacement = replacement;
  }

  static TlbGeometry of(SplittableRandom random, Replacement replacement) {
    RandomGeometry choice = new RandomGeometry(random, replacement);
    List<Array> structures = new ArrayList<>();
    boolean none = random.nextInt(6) == 0;
    for (int level = 2; level <= 5; level++) {
      boolean absent = none || random.nextInt(5) == 0;
      structures.add(absent ? Array.NONE : choice.array(3, 4));
    }
    return new TlbGeometry(
        choice.level(FIRST, true),
        choice.level(FIRST, true),
        choice.level(SECOND, false),
        structures,
        replacement);
  }

  private List<Tlb> level(int[][] spreads, boolean first) {
    List<Tlb> tlbs = new ArrayList<>();
    for (int sizes : spreads[random.nextInt(spreads.length)]) {
      boolean wide = first && random.nextInt(12) == 0;
      tlbs.add(
          new Tlb(
              wide
                  ? new Array(1, replacement == Replacement.TREE_PLRU ? 32 : 64)
                  : array(4, first ? 3 : 4),
              sizes));
    }
    return tlbs;
  }

  /** Up to 2^(most - 1) sets; ways of all numbers where the replacement allows them. */
  private Array array(int mostSetBits, int mostWayBits) {
    int sets = 1 << random.nextInt(mostSetBits);
    int ways =
        replacement == Replacement.TREE_PLRU
            ? 1 << random.nextInt(mostWayBits + 1)
            : 1 + random.nextInt(random.nextInt(4) == 0 ? 1 << mostWayBits : 4);
    return new Array(sets, ways);
  }
}
