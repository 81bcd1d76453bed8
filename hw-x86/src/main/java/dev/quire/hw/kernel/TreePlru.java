// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

/**
 * Tree-PLRU over a power of two of ways: bit n of a word is node n of a binary tree whose root is
 * node 1; it points to the half that is to be replaced.
 */
public final class TreePlru {
  private TreePlru() {}

  /** The nodes on the way to a way, a bit each. */
  public static long nodes(int way, int ways) {
    long nodes = 0;
    for (int node = (way + ways) >>> 1; node != 0; node >>>= 1) {
      nodes |= 1L << node;
    }
    return nodes;
  }

  /** Those nodes as a use of the way leaves them: each points to the other half. */
  public static long pointingAway(int way, int ways) {
    long bits = 0;
    for (int child = way + ways; child > 1; child >>>= 1) {
      bits |= (~child & 1L) << (child >>> 1);
    }
    return bits;
  }

  /** The way that the tree points to. */
  public static int victim(long tree, int ways) {
    int node = 1;
    while (node < ways) {
      node = 2 * node + (int) (tree >>> node & 1);
    }
    return node - ways;
  }

  /** The next word of a random sequence; from its upper bits ways are chosen. */
  public static long nextRandom(long word) {
    long next = word ^ word << 13;
    next ^= next >>> 7;
    return next ^ next << 17;
  }
}
