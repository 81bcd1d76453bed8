// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.hw.TranslationCache;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The constants of a {@link TlbHierarchy}.
 *
 * @param geometry of the first level
 * @param spaces numbers of address spaces, the CPU's own
 * @param counters the CPU's own
 * @param second the second-level TLB by size of page; one that holds two sizes stands there twice
 * @param seed of random replacement
 */
public record TlbParts(
    TlbGeometry geometry,
    AddressSpaces spaces,
    Counters counters,
    List<Optional<Cache>> second,
    long seed) {

  /** The second level, specialised; without any TLB in it, it finds nothing. */
  public SecondLevel secondLevel() {
    return Specializer.specialise(SecondLevel.class, SecondLevelTlb.class, this);
  }

  /** Builds the TLBs of a CPU. */
  public static TranslationCache build(
      TlbGeometry geometry, AddressSpaces spaces, Counters counters, long seed) {
    TlbParts parts = of(geometry, geometry.second(), spaces, counters, seed);
    return Specializer.specialise(TranslationCache.class, TlbHierarchy.class, parts);
  }

  /** The constants, with these TLBs as the second level. */
  static TlbParts of(
      TlbGeometry geometry,
      List<Tlb> secondLevel,
      AddressSpaces spaces,
      Counters counters,
      long seed) {
    @Nullable Cache[] bySize = new @Nullable Cache[TlbGeometry.SIZES];
    for (Tlb tlb : secondLevel) {
      CacheParts parts = new CacheParts(tlb.array(), geometry.replacement(), seed);
      Cache cache = Specializer.specialise(Cache.class, AssocCache.class, parts);
      for (int size = 0; size < bySize.length; size++) {
        bySize[size] = tlb.holds(size) ? cache : bySize[size];
      }
    }
    List<Optional<Cache>> second = Arrays.stream(bySize).map(Optional::ofNullable).toList();
    return new TlbParts(geometry, spaces, counters, second, seed);
  }

  /** The second-level TLB for a size of page, or null. */
  public @Nullable Cache second(int size) {
    return second.get(size).orElse(null);
  }

  /**
   * The size that a page is kept as: its own, or the next smaller one that some TLB holds, for
   * hardware that has no place for large pages splinters them.
   */
  public int keptSecond(int size) {
    int kept = size;
    while (kept > 0 && second.get(kept).isEmpty()) {
      kept--;
    }
    return kept;
  }

  /** Where pages go in the first level. */
  public FirstLevelPlan plan(boolean fetch) {
    FirstLevelPlan.Tlb small = first(fetch, 0);
    FirstLevelPlan.Tlb large = first(fetch, keptFirst(fetch, 1));
    FirstLevelPlan.Tlb huge = first(fetch, keptFirst(fetch, 2));
    return new FirstLevelPlan(
        small,
        large,
        huge,
        keptFirst(fetch, 1),
        keptFirst(fetch, 2),
        find(fetch, 1) >= 0 && large.needsScanAfter(small),
        find(fetch, 2) >= 0 && huge.needsScanAfter(small));
  }

  private int keptFirst(boolean fetch, int size) {
    int kept = size;
    while (find(fetch, kept) < 0) {
      kept--;
    }
    return kept;
  }

  private FirstLevelPlan.Tlb first(boolean fetch, int size) {
    int wanted = find(fetch, size);
    List<Tlb> list = fetch ? geometry.instructions() : geometry.data();
    int first = (fetch ? dataEntries() : 0) + entries(list.subList(0, wanted));
    TlbGeometry.Array array = list.get(wanted).array();
    return new FirstLevelPlan.Tlb(first, array.sets(), array.ways());
  }

  private int find(boolean fetch, int size) {
    List<Tlb> list = fetch ? geometry.instructions() : geometry.data();
    for (int i = 0; i < list.size(); i++) {
      if (list.get(i).holds(size)) {
        return i;
      }
    }
    return -1;
  }

  /** How many entries the first-level data TLBs have; those of the instruction TLBs follow them. */
  public int dataEntries() {
    return entries(geometry.data());
  }

  /** How many entries all first-level TLBs have together. */
  public int firstEntries() {
    return dataEntries() + entries(geometry.instructions());
  }

  private static int entries(List<Tlb> tlbs) {
    return tlbs.stream().mapToInt(tlb -> tlb.array().entries()).sum();
  }
}
