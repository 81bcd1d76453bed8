// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import java.util.List;
import java.util.stream.Stream;

/**
 * The TLBs and paging-structure caches of one CPU, as a configuration gives them. Made by the
 * launcher or taken from a preset; the machine builds a kernel of its own for each.
 *
 * @param data first-level data TLBs
 * @param instructions first-level instruction TLBs
 * @param second second-level TLBs; a size that none of them holds has no second level
 * @param structures paging-structure caches by the level of the entry they hold: index 0 for PDEs
 *     (level 2), then PDPTEs, PML4Es, PML5Es; an absent one has no ways
 * @param replacement how a victim is chosen
 * @param nested caches of the second dimension
 */
public record TlbGeometry(
    List<Tlb> data,
    List<Tlb> instructions,
    List<Tlb> second,
    List<Array> structures,
    Replacement replacement,
    Nested nested) {

  /**
   * Caches of guest-physical mappings: what they hold comes from nested tables alone.
   *
   * @param tlbs nested TLBs, from guest-physical pages to machine frames
   * @param structures nested paging-structure caches, as {@link TlbGeometry#structures}
   */
  public record Nested(List<Tlb> tlbs, List<Array> structures) {
    /** No such caches. */
    public static final Nested NONE =
        new Nested(List.of(), List.of(Array.NONE, Array.NONE, Array.NONE, Array.NONE));

    /**
     * Sizes for cores of which nothing is known: a nested TLB of 16 entries for all sizes, as the
     * first one that was described had (Bhargava et al., Accelerating Two-Dimensional Page Walks,
     * 2008), and paging-structure caches as the presets assume for the first dimension.
     */
    public static final Nested ASSUMED =
        new Nested(
            List.of(new Tlb(new Array(1, 16), 7)),
            List.of(new Array(4, 8), new Array(1, 4), new Array(1, 4), new Array(1, 2)));

    /** Copies the lists. */
    public Nested {
      tlbs = List.copyOf(tlbs);
      structures = List.copyOf(structures);
    }
  }

  /** TLBs whose second dimension is {@linkplain Nested#ASSUMED assumed}. */
  public TlbGeometry(
      List<Tlb> data,
      List<Tlb> instructions,
      List<Tlb> second,
      List<Array> structures,
      Replacement replacement) {
    this(data, instructions, second, structures, replacement, Nested.ASSUMED);
  }

  /** The same with these caches of the second dimension. */
  public TlbGeometry withNested(Nested caches) {
    return new TlbGeometry(data, instructions, second, structures, replacement, caches);
  }

  /** How many sizes of pages there are: 4 KiB, 2 or 4 MiB, 1 GiB. */
  public static final int SIZES = 3;

  /** How a victim is chosen in a full set; free ways come first. */
  public enum Replacement {
    /** The least recently used way. */
    LRU,
    /** A binary tree of one-bit hints over a power of two of ways. */
    TREE_PLRU,
    /** A way at random, from the machine's seed. */
    RANDOM
  }

  /**
   * One set-associative array.
   *
   * @param sets a power of two
   * @param ways of each set; 0 for an array that is absent
   */
  public record Array(int sets, int ways) {
    /** No array. */
    public static final Array NONE = new Array(1, 0);

    /** Checks the shape. */
    public Array {
      if (Integer.bitCount(sets) != 1) {
        throw new IllegalArgumentException(sets + " sets: not a power of two");
      }
      if (ways < 0 || ways > 64) {
        throw new IllegalArgumentException(ways + " ways: not within 0..64");
      }
    }

    /** How many entries it has. */
    public int entries() {
      return sets * ways;
    }
  }

  /**
   * One TLB and the sizes of pages that it holds.
   *
   * @param array its shape
   * @param sizes bit 0 for 4 KiB, bit 1 for 2 or 4 MiB, bit 2 for 1 GiB
   */
  public record Tlb(Array array, int sizes) {
    /** Whether it holds pages of a size, 0 to 2. */
    public boolean holds(int size) {
      return (sizes >>> size & 1) != 0;
    }
  }

  /** Copies the lists and checks that every size has at most one place in each level. */
  public TlbGeometry {
    data = List.copyOf(data);
    instructions = List.copyOf(instructions);
    second = List.copyOf(second);
    structures = List.copyOf(structures);
    checkSizes("first-level data TLBs", data, true);
    checkSizes("first-level instruction TLBs", instructions, true);
    checkSizes("second-level TLBs", second, false);
    checkSizes("nested TLBs", nested.tlbs(), false);
    checkCaches("second-level TLB", second, structures);
    checkCaches("nested TLB", nested.tlbs(), nested.structures());
    if (replacement == Replacement.TREE_PLRU) {
      data.forEach(tlb -> checkTree(tlb.array()));
      instructions.forEach(tlb -> checkTree(tlb.array()));
      Stream.of(second, nested.tlbs()).flatMap(List::stream).forEach(it -> checkTree(it.array()));
      Stream.of(structures, nested.structures())
          .flatMap(List::stream)
          .forEach(TlbGeometry::checkTree);
    }
  }

  private static void checkCaches(String what, List<Tlb> tlbs, List<Array> structures) {
    if (structures.size() != 4) {
      throw new IllegalArgumentException(
          "paging-structure caches: four are wanted, for levels 2..5");
    }
    tlbs.forEach(tlb -> checkWays("a " + what, tlb.array()));
    structures.forEach(array -> checkWays("a paging-structure cache", array));
  }

  private static void checkSizes(String what, List<Tlb> tlbs, boolean needsSmall) {
    int seen = 0;
    for (Tlb tlb : tlbs) {
      if ((seen & tlb.sizes()) != 0) {
        throw new IllegalArgumentException(what + ": two of them hold pages of one size");
      }
      seen |= tlb.sizes();
    }
    if (needsSmall && (seen & 1) == 0) {
      throw new IllegalArgumentException(what + ": none of them holds 4 KiB pages");
    }
  }

  private static void checkWays(String what, Array array) {
    if (array.ways() > 16) {
      throw new IllegalArgumentException(what + " has " + array.ways() + " ways, more than 16");
    }
  }

  private static void checkTree(Array array) {
    if (array.ways() != 0 && Integer.bitCount(array.ways()) != 1 || array.ways() > 32) {
      throw new IllegalArgumentException(
          "tree-PLRU wants a power of two of ways up to 32, not " + array.ways());
    }
  }
}
