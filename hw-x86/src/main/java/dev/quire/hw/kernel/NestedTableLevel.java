// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.lang.invoke.MethodHandles;
import org.jspecify.annotations.Nullable;

/**
 * The one kind of {@link NestedLevel}. A template, see {@link AssocCache}, and not one method for
 * all levels: that is compiled for itself before those that call it, for levels that it does not
 * know, and is too large to be inlined from then on. A walk then takes twice as long, in one
 * process out of two.
 */
public final class NestedTableLevel extends NestedLevel {
  private static final NestedLevelParts PARTS =
      Specializer.data(MethodHandles.lookup(), NestedLevelParts.class);
  private static final int LEVEL = PARTS.level();
  private static final @Nullable NestedLevel BELOW = PARTS.below();
  private static final NestedRules RULES = PARTS.rules();
  private static final PagingFormat FORMAT = RULES.format();
  private static final NestedRules.Layout LAYOUT = RULES.layout();
  private static final NestedRules.Plain PLAIN = RULES.plain(LEVEL);
  private static final StructureCaches STRUCTURES = PARTS.structures();
  private static final @Nullable Cache CACHE = LEVEL == 1 ? null : STRUCTURES.level(LEVEL);
  private static final FrameHints HINTS = PARTS.hints();
  private static final long[] COUNTERS = PARTS.counters().values();

  /** For {@link Specializer}. */
  public NestedTableLevel() {}

  @Override
  public long find(long guestPhysical) {
    if (CACHE == null) {
      return 0;
    }
    int slot = CACHE.find(prefix(guestPhysical));
    return slot < 0 ? 0 : CACHE.value(slot);
  }

  @Override
  public long descend(long above, long guestPhysical, int row) {
    long table = above & PageEntry.FRAME;
    long[] frame = HINTS.frame(FrameHints.index(FORMAT, guestPhysical, LEVEL), table);
    long entry = frame[FORMAT.index(guestPhysical, LEVEL)];
    COUNTERS[Counters.nestedReference(row, LEVEL)]++;
    long rights = above & LAYOUT.rights(entry);
    boolean plain = PLAIN.is(entry);
    if (plain && BELOW != null) {
      long below = entry & PageEntry.FRAME | rights;
      if (CACHE != null) {
        CACHE.put(prefix(guestPhysical), below);
      }
      return BELOW.descend(below, guestPhysical, row);
    }
    return plain || RULES.isAccessedPage(entry, LEVEL)
        ? LAYOUT.leaf(entry, LEVEL, FORMAT) | rights
        : LEAVE | LEVEL;
  }

  private static long prefix(long guestPhysical) {
    return Key.second(guestPhysical, FORMAT.shift(LEVEL), 0, STRUCTURES.space());
  }
}
