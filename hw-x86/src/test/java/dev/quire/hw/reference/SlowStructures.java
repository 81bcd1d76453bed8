// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Paging-structure caches: PDEs, PDPTEs, PML4Es, PML5Es, each in an array of its own. */
final class SlowStructures {
  /**
   * One entry.
   *
   * @param prefix the bits of linear addresses above what it covers
   */
  record Entry(int tag, int pcid, long prefix, Walk.Start below) {}

  private static final int LOWEST = 2;

  /** By level less 2; null where there is none. */
  private final List<@Nullable SlowArray<Entry>> arrays = new ArrayList<>();

  private final long[] counters;

  SlowStructures(List<Array> shapes, Replacement replacement, long[] counters) {
    for (Array array : shapes) {
      arrays.add(array.ways() == 0 ? null : new SlowArray<>(array, replacement));
    }
    this.counters = counters;
  }

  boolean exist() {
    return arrays.stream().anyMatch(Objects::nonNull);
  }

  /** The lowest table that is known. */
  Walk.@Nullable Start lowestKnown(int tag, int pcid, long linear, Shape shape) {
    for (int level = LOWEST; level <= shape.levels(); level++) {
      SlowArray<Entry> array = arrays.get(level - LOWEST);
      long prefix = linear >> shape.shift(level);
      for (Entry entry : array == null ? List.<Entry>of() : array.entries()) {
        if (entry.tag() == tag && entry.pcid() == pcid && entry.prefix() == prefix) {
          Objects.requireNonNull(array).use(prefix, entry);
          counters[HwEvent.PSC_HITS_2.ordinal() + level - LOWEST]++;
          return entry.below();
        }
      }
    }
    return null;
  }

  /** Keeps where an entry of a level leads. */
  void put(int tag, int pcid, long linear, int level, Walk.Start below, Shape shape) {
    SlowArray<Entry> array = arrays.get(level - LOWEST);
    if (array != null) {
      long prefix = linear >> shape.shift(level);
      array.put(prefix, new Entry(tag, pcid, prefix, below));
    }
  }

  /** Drops what leads to an address. */
  void dropPath(int tag, int pcid, long linear, Shape shape) {
    for (int level = LOWEST; level <= shape.levels(); level++) {
      SlowArray<Entry> array = arrays.get(level - LOWEST);
      long prefix = linear >> shape.shift(level);
      if (array != null) {
        array.removeIf(e -> e.tag() == tag && e.pcid() == pcid && e.prefix() == prefix);
      }
    }
  }

  void removeIf(Predicate<Entry> condition) {
    for (SlowArray<Entry> array : arrays) {
      if (array != null) {
        array.removeIf(condition);
      }
    }
  }
}
