// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.PagingFormat;
import org.jspecify.annotations.Nullable;

/**
 * A level of nested tables, for {@link NestedWalker}. A record, since the compiler trusts the
 * fields of records that are constants: each step of a walk compiles with its own.
 *
 * @param level 1 for the lowest
 * @param format of the tables
 * @param plain what most entries are
 * @param cache of the entries, if there is one
 */
public record NestedLevel(
    int level, PagingFormat format, NestedRules.Plain plain, @Nullable Cache cache) {

  /** A level of some tables, with its cache. */
  public static NestedLevel of(NestedRules rules, int level, StructureCaches structures) {
    Cache cache = level == 1 ? null : structures.level(level);
    return new NestedLevel(level, rules.format(), rules.plain(level), cache);
  }

  /** Where in its table the entry for an address is. */
  public int index(long guestPhysical) {
    return format.index(guestPhysical, level);
  }

  /** Where the hint for the table is, of {@link FrameHints}. */
  public int hint(long guestPhysical) {
    return FrameHints.index(format, guestPhysical, level);
  }

  /** What the cache knows below the entry for an address; 0 for nothing. */
  public long find(long guestPhysical, long space) {
    int slot = cache == null ? Cache.NONE : cache.find(prefix(guestPhysical, space));
    return cache == null || slot < 0 ? 0 : cache.value(slot);
  }

  /** Gives the cache what is below the entry for an address. */
  public void put(long guestPhysical, long space, long below) {
    if (cache != null) {
      cache.put(prefix(guestPhysical, space), below);
    }
  }

  private long prefix(long guestPhysical, long space) {
    return Key.second(guestPhysical, format.shift(level), 0, space);
  }
}
