// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.TranslationCache.EntryVisitor;
import dev.quire.api.x86.Translation;

/**
 * The layout of first-level entries, and what is done to them seldom: dropping and showing. All
 * TLBs of the first level lie in one array, the data TLBs first.
 */
public final class FirstLevelEntries {
  /** What the bits of a probe that count must be. */
  public static final int KEY = 0;

  /** The bits of a probe that count; all of them in a free entry, whose key no probe has. */
  public static final int CARE = 1;

  /** LRU: time of last use, 0 if free. Tree-PLRU: mask of the nodes that a use leaves alone. */
  public static final int TIME = 2;

  /** What to add to a linear address to get the machine address. */
  public static final int DELTA = 3;

  /** The {@link Translation}; 0 in a free entry. */
  public static final int LEAF = 4;

  /** What a hit adds to the word of counts. */
  public static final int LANE = 5;

  /**
   * The size that the page is kept as, in two bits; from bit 2 on, tree-PLRU's nodes after a use;
   * from bit {@link #TREE_SHIFT} on, where the tree of the set is.
   */
  public static final int BITS = 6;

  /** The part of CARE that tells pages apart, without rights. */
  public static final int TAG = 7;

  /** Where the number of the tree begins in BITS. */
  private static final int TREE_SHIFT = 40;

  /** Words of an entry. */
  public static final int WORDS = 8;

  /** By how much a time differs from the next: leaves room for a way below it. */
  public static final int TICK = 64;

  private final long[] entries;
  private final boolean timed;
  private final int instructions;
  private final int[] shifts;

  /**
   * The entries of a CPU.
   *
   * @param timed whether replacement is LRU
   * @param instructions where the instruction TLBs begin
   * @param shifts log2 of the sizes of pages, kept up to date by the owner
   */
  public FirstLevelEntries(long[] entries, boolean timed, int instructions, int[] shifts) {
    this.entries = entries;
    this.timed = timed;
    this.instructions = instructions;
    this.shifts = shifts;
  }

  /**
   * How long an array for so many entries is: a power of two, so that a mask proves every index.
   */
  public static int length(int entries) {
    return WORDS * (entries == 1 ? 1 : Integer.highestOneBit(entries - 1) << 1);
  }

  /** The entry of a set that was used least recently; a free one comes before all others. */
  public static int oldest(long[] entries, int set, int ways) {
    long oldest = entries[set + TIME];
    for (int way = 1; way < ways; way++) {
      long other = entries[set + WORDS * way + TIME] | way;
      long less = oldest - other;
      oldest = other + (less & less >> 63); // the minimum without a branch
    }
    return set + ((int) oldest & TICK - 1) * WORDS;
  }

  /** Works out for each way which nodes of its set's tree a use of it sets, and how. */
  public void plantTrees(FirstLevelPlan plan) {
    plantTrees(plan.of4K());
    plantTrees(plan.of2M());
    plantTrees(plan.of1G());
  }

  private void plantTrees(FirstLevelPlan.Tlb tlb) {
    for (int entry = 0; entry < tlb.entries(); entry++) {
      int at = (tlb.first() + entry) * WORDS;
      int way = entry % tlb.ways();
      long tree = (long) tlb.first() + entry - way;
      entries[at + TIME] = ~TreePlru.nodes(way, tlb.ways());
      entries[at + BITS] = tree << TREE_SHIFT | TreePlru.pointingAway(way, tlb.ways()) << 2;
    }
  }

  /** The number of the tree of an entry's set. */
  public int tree(int at) {
    return (int) (entries[at + BITS] >>> TREE_SHIFT);
  }

  /** The first entry of a set that holds nothing, or -1. */
  public int free(int set, int ways) {
    for (int way = 0; way < ways; way++) {
      if (entries[set + WORDS * way + LEAF] == 0) {
        return set + WORDS * way;
      }
    }
    return -1;
  }

  /** Whether an entry belongs to an instruction TLB. */
  public boolean isFetch(int at) {
    return at >= instructions;
  }

  /** The size that an entry's page is kept as. */
  public int kept(int at) {
    return (int) entries[at + BITS] & 3;
  }

  /** Frees an entry. */
  public void clear(int at) {
    entries[at + KEY] = 0;
    entries[at + CARE] = -1;
    entries[at + TAG] = -1;
    entries[at + LEAF] = 0;
    if (timed) {
      entries[at + TIME] = 0;
    }
  }

  /** Frees all entries. */
  public void clear() {
    for (int at = 0; at < entries.length; at += WORDS) {
      clear(at);
    }
  }

  /** Frees the entries whose key, masked, equals {@code match}; global ones too or not. */
  public void dropIf(long mask, long match, boolean globals) {
    for (int at = 0; at < entries.length; at += WORDS) {
      boolean matches = entries[at + LEAF] != 0 && (entries[at + KEY] & mask) == match;
      if (matches && (globals || !isGlobal(at))) {
        clear(at);
      }
    }
  }

  /**
   * Frees the entries of the page that holds an address.
   *
   * @param space VPID and PCID of entries that are not global, 0 for none
   * @param vpid VPID of global entries, 0 for none
   */
  public void dropPage(long linear, long space, long vpid) {
    for (int at = 0; at < entries.length; at += WORDS) {
      long leaf = entries[at + LEAF];
      long owner = isGlobal(at) ? vpid : space;
      long apart = (entries[at + KEY] ^ linear) & Key.PAGE;
      boolean covers = leaf != 0 && apart >>> shifts[Translation.size(leaf)] == 0;
      if (covers && owner != 0 && (entries[at + KEY] & Key.SPACE) == owner) {
        clear(at);
      }
    }
  }

  private boolean isGlobal(int at) {
    return (entries[at + LEAF] & Translation.GLOBAL) != 0;
  }

  /** Shows every entry. */
  public void forEach(AddressSpaces spaces, EntryVisitor visitor) {
    for (int at = 0; at < entries.length; at += WORDS) {
      if (entries[at + LEAF] != 0) {
        long key = entries[at + KEY];
        visitor.entry(
            isFetch(at) ? "L1I" : "L1D",
            spaces.vpid(key),
            spaces.pcid(key),
            Addresses.gva((key & Key.PAGE) << 7 >> 7),
            shifts[kept(at)],
            isFetch(at),
            entries[at + LEAF]);
      }
    }
  }
}
