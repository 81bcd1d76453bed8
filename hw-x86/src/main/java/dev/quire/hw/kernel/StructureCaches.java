// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.PagingFormat;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The paging-structure caches of one CPU: PDE, PDPTE, PML4E and PML5E cache. An entry holds where
 * the next table is and the rights of all levels above it, for a prefix of linear addresses, under
 * a VPID and PCID; never for an entry whose A bit is clear (SDM vol. 3, 4.10.3).
 */
public class StructureCaches {
  private static final int LOWEST = 2;

  private final @Nullable Cache[] byLevel = new @Nullable Cache[LOWEST + 4];
  private long space;

  /**
   * The caches of a CPU.
   *
   * @param arrays for levels 2 to 5; one without ways is absent
   */
  public StructureCaches(List<Array> arrays, Replacement replacement, long seed) {
    for (int i = 0; i < arrays.size(); i++) {
      Array array = arrays.get(i);
      if (array.ways() != 0) {
        CacheParts parts = new CacheParts(array, replacement, seed + i);
        byLevel[LOWEST + i] = Specializer.specialise(Cache.class, AssocCache.class, parts);
      }
    }
  }

  /** No caches. */
  public static StructureCaches none() {
    return new StructureCaches(List.of(), Replacement.LRU, 0);
  }

  /** Whether there is any. */
  public boolean exist() {
    return Arrays.stream(byLevel).anyMatch(Objects::nonNull);
  }

  /** The cache of entries of a level, or null. */
  public @Nullable Cache level(int level) {
    return byLevel[level];
  }

  /** The current address space, VPID and PCID as in a first-level key. */
  public long space() {
    return space;
  }

  /** Makes another address space current. */
  public void space(long value) {
    space = value;
  }

  /** Drops everything and forgets the order of use. */
  public void reset() {
    for (Cache cache : byLevel) {
      if (cache != null) {
        cache.reset();
      }
    }
  }

  /** Drops everything. */
  public void dropAll() {
    dropIf(0, 0);
  }

  /** Drops everything of one VPID. */
  public void dropVpid(long vpid) {
    dropIf(Key.VPID_2, (vpid & Key.VPID) << Key.SPACE_SHIFT);
  }

  /** Drops everything of one VPID and PCID: they do not know of global pages. */
  public void dropSpace(long ofSpace) {
    dropIf(Key.VPID_2 | Key.PCID_2, ofSpace << Key.SPACE_SHIFT);
  }

  /** Drops what leads to an address, in the current space. */
  public void dropPath(long address, PagingFormat format) {
    for (int level = LOWEST; level <= format.levels(); level++) {
      Cache cache = byLevel[level];
      int slot =
          cache == null
              ? Cache.NONE
              : cache.peek(Key.second(address, format.shift(level), 0, space));
      if (cache != null && slot >= 0) {
        cache.remove(slot);
      }
    }
  }

  private void dropIf(long mask, long match) {
    for (Cache cache : byLevel) {
      if (cache != null) {
        cache.removeIf(mask, match, 0);
      }
    }
  }
}
