// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/** Everything that a CPU caches at a moment: TLB entries and paging-structure entries. */
record LiveEntries(Set<Translated> tlb, Set<Structure> structures) {
  /**
   * A TLB entry.
   *
   * @param pcid 0 for a global entry
   */
  record Translated(
      String where, int tag, int pcid, long linear, int shift, boolean fetch, long translation) {
    boolean covers(long address) {
      return (address ^ linear) >>> shift == 0;
    }
  }

  /**
   * A paging-structure entry.
   *
   * @param number the bits of linear addresses above what an entry of its level covers
   * @param below what the walker knows of the table below
   */
  record Structure(int level, int tag, int pcid, long number, long below) {}

  static LiveEntries of(TestCpu cpu) {
    Set<Translated> tlb = new HashSet<>();
    if (cpu.cache != null) {
      cpu.cache.forEach(
          (where, tag, pcid, linear, shift, fetch, translation) ->
              tlb.add(new Translated(where, tag, pcid, linear, shift, fetch, translation)));
    }
    Set<Structure> structures = new HashSet<>();
    for (int level = 2; level <= 5; level++) {
      Cache cache = cpu.structures.level(level);
      for (int slot = 0; cache != null && slot < cache.slots(); slot += 2) {
        long key = cache.key(slot);
        if (key != 0) {
          structures.add(structure(cpu, level, key, Objects.requireNonNull(cache).value(slot)));
        }
      }
    }
    return new LiveEntries(tlb, structures);
  }

  private static Structure structure(TestCpu cpu, int level, long key, long below) {
    long space = key >>> Key.SPACE_SHIFT;
    return new Structure(
        level, cpu.spaces.vpid(space), cpu.spaces.pcid(space), Key.number(key), below);
  }
}
