// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.x86.Translation;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/** Everything that a CPU caches under nested paging, by what it is a mapping of. */
final class LiveMappings {
  /** What an entry maps from and to. */
  enum Kind {
    /** A TLB entry: linear to machine. */
    COMBINED,
    /** A paging-structure entry of the guest's tables. */
    COMBINED_TABLE,
    /** A nested TLB entry: guest-physical to machine. */
    GUEST_PHYSICAL,
    /** A paging-structure entry of the nested tables. */
    GUEST_PHYSICAL_TABLE
  }

  /**
   * An entry.
   *
   * @param vpid VPID or ASID; 0 for guest-physical mappings of EPT
   * @param root the EPT root; 0 for none and for NPT
   * @param pcid 0 for global entries and guest-physical mappings
   * @param address first address that it covers, as far as its key says
   * @param shift log2 of what it covers
   * @param content what it says: a translation, or what is known of a table
   */
  record Entry(
      Kind kind,
      int vpid,
      long root,
      int pcid,
      boolean global,
      long address,
      int shift,
      long content) {
    boolean isGuestPhysical() {
      return kind == Kind.GUEST_PHYSICAL || kind == Kind.GUEST_PHYSICAL_TABLE;
    }

    boolean covers(long wanted) {
      return (wanted ^ address) >>> shift == 0;
    }
  }

  private LiveMappings() {}

  static Set<Entry> of(TestCpu cpu) {
    Set<Entry> all = new HashSet<>();
    ContextTags tags = cpu.mappings.tags();
    Objects.requireNonNull(cpu.cache)
        .forEach(
            (where, tag, pcid, linear, shift, fetch, translation) ->
                all.add(
                    entry(
                        tags,
                        Kind.COMBINED,
                        tag,
                        (translation & Translation.GLOBAL) != 0 ? 0 : pcid,
                        (translation & Translation.GLOBAL) != 0,
                        linear,
                        shift,
                        translation)));
    tables(all, tags, Kind.COMBINED_TABLE, cpu.structures, cpu.spaces);
    ContextTags nestedTags = cpu.nested.tags();
    SecondLevel tlb = cpu.nested.tlb();
    if (tlb != null) {
      tlb.forEach(
          cpu.nested.spaces(),
          (where, tag, pcid, address, shift, fetch, translation) ->
              all.add(
                  entry(
                      nestedTags,
                      Kind.GUEST_PHYSICAL,
                      tag,
                      0,
                      false,
                      address,
                      shift,
                      translation)));
    }
    tables(
        all, nestedTags, Kind.GUEST_PHYSICAL_TABLE, cpu.nested.structures(), cpu.nested.spaces());
    return all;
  }

  private static void tables(
      Set<Entry> all, ContextTags tags, Kind kind, StructureCaches caches, AddressSpaces spaces) {
    for (int level = 2; level <= 5; level++) {
      Cache cache = caches.level(level);
      for (int slot = 0; cache != null && slot < cache.slots(); slot += 2) {
        long key = cache.key(slot);
        if (key != 0) {
          long space = key >>> Key.SPACE_SHIFT;
          int shift = 12 + 9 * (level - 1);
          long address = Key.number(key) << shift << 7 >> 7;
          int vpid = spaces.vpid(space);
          int pcid = spaces.pcid(space);
          all.add(entry(tags, kind, vpid, pcid, false, address, shift, cache.value(slot)));
        }
      }
    }
  }

  private static Entry entry(
      ContextTags tags,
      Kind kind,
      int tag,
      int pcid,
      boolean global,
      long address,
      int shift,
      long content) {
    for (int i = 0; i < tags.size(); i++) {
      if (tags.at(i) == tag) {
        return new Entry(kind, tags.vpid(i), tags.root(i), pcid, global, address, shift, content);
      }
    }
    return new Entry(kind, tag, 0, pcid, global, address, shift, content);
  }
}
