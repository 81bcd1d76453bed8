// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.NestedTranslation;
import dev.quire.api.x86.Translation;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Memory;
import dev.quire.hw.reference.NestedLookup;
import dev.quire.hw.reference.Page;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.Walk;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The staleness oracle of two dimensions: holds everything that a CPU caches against the tables
 * that are in memory now, of both dimensions. In a program that follows each change by the
 * invalidation that it needs, nothing is ever stale. A and D bits that were set in memory since are
 * no change.
 */
final class NestedStaleness {
  /** A table that a guest has where nothing is mapped: the walk cannot be made. */
  private static final class Unmapped extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private final NestedGuest guest;
  private final CpuProfile profile;
  private final Shape shape;

  /** An oracle for a guest of whose tables all PCIDs and VPIDs are. */
  NestedStaleness(NestedGuest guest, CpuProfile profile) {
    this.guest = guest;
    this.profile = profile;
    this.shape = Shape.of(guest.control.registers());
  }

  /** Every live entry that present tables do not give. */
  Set<LiveMappings.Entry> stale() {
    return LiveMappings.of(guest.cpu).stream()
        .filter(entry -> !isObtainable(entry))
        .collect(Collectors.toSet());
  }

  private boolean isObtainable(LiveMappings.Entry entry) {
    long root = entry.root() != 0 ? entry.root() : guest.control.nested().root;
    try {
      return switch (entry.kind()) {
        case COMBINED -> isCombined(entry, root);
        case COMBINED_TABLE -> isCombinedTable(entry, root);
        case GUEST_PHYSICAL -> isGuestPhysical(entry, root);
        case GUEST_PHYSICAL_TABLE -> isGuestPhysicalTable(entry, root);
      };
    } catch (Unmapped none) {
      return false;
    }
  }

  private boolean isCombined(LiveMappings.Entry entry, long root) {
    Page page = walk(entry.address(), root).page();
    if (page == null) {
      return false;
    }
    NestedLookup.Step nested = nested(page.address(entry.address()), root);
    long word = entry.content();
    boolean executable = page.user() ? nested.userExecutable() : nested.executable();
    boolean dirty = page.dirty() && nested.dirty() && nested.writable();
    int shift = shape.shift(Translation.level(word));
    return Translation.address(word, entry.address(), shift)
            == nested.address(page.address(entry.address()))
        && entry.shift() <= Math.min(page.shift(), nested.shift())
        && nested.readable()
        && has(word, Translation.WRITABLE) == page.writable()
        && has(word, Translation.USER) == page.user()
        && has(word, Translation.EXECUTABLE) == (page.executable() && executable)
        && has(word, Translation.GLOBAL) == page.global()
        && (dirty || !has(word, Translation.DIRTY))
        && Translation.key(word) == page.key();
  }

  /** The layout of a table in the walker: 51..12 frame, 5 A, 2 user, 1 writable, 0 executable. */
  private boolean isCombinedTable(LiveMappings.Entry entry, long root) {
    for (Walk.Step step : walk(entry.address(), root).steps()) {
      Walk.Start below = step.below();
      if (below != null && shape.shift(step.level()) == entry.shift()) {
        long word = entry.content();
        return (word & 0x000ffffffffff000L) == nested(below.table(), root).address(below.table())
            && below.accessed()
            && has(word, 4) == below.user()
            && has(word, 2) == below.writable()
            && has(word, 1) == below.executable();
      }
    }
    return false;
  }

  private boolean isGuestPhysical(LiveMappings.Entry entry, long root) {
    NestedLookup.Step page = nested(entry.address(), root);
    long word = entry.content();
    return NestedTranslation.address(word, entry.address()) == page.address(entry.address())
        && entry.shift() <= page.shift()
        && isRights(word, page)
        && (page.dirty() || !has(word, NestedTranslation.DIRTY));
  }

  private boolean isGuestPhysicalTable(LiveMappings.Entry entry, long root) {
    for (NestedLookup.Step step : lookup(entry.address(), root)) {
      if (!step.page() && step.shift() == entry.shift()) {
        return (entry.content() & 0x000ffffffffff000L) == step.target()
            && isRights(entry.content(), step);
      }
    }
    return false;
  }

  private static boolean isRights(long word, NestedLookup.Step step) {
    return has(word, NestedTranslation.READABLE) == step.readable()
        && has(word, NestedTranslation.WRITABLE) == step.writable()
        && has(word, NestedTranslation.EXECUTABLE) == step.executable()
        && has(word, NestedTranslation.USER_EXECUTABLE) == step.userExecutable();
  }

  private static boolean has(long word, long bit) {
    return (word & bit) != 0;
  }

  /** The guest's walk, through memory as the nested tables have it. */
  private Walk walk(long linear, long root) {
    Memory memory =
        (address, bytes) -> machine().read(nested(address, root).address(address), bytes);
    Demand look = new Demand(linear, false, false, false, true);
    return Walk.fromRoot(profile, guest.control.registers(), shape, memory, look);
  }

  private NestedLookup.Step nested(long guestPhysical, long root) {
    List<NestedLookup.Step> steps = lookup(guestPhysical, root);
    NestedLookup.@Nullable Step last = steps.isEmpty() ? null : steps.get(steps.size() - 1);
    if (last == null || !last.page()) {
      throw new Unmapped();
    }
    return last;
  }

  private List<NestedLookup.Step> lookup(long guestPhysical, long root) {
    return NestedLookup.of(guest.control.nested(), root, machine(), guestPhysical);
  }

  private Memory machine() {
    return guest.cpu.memory::load;
  }
}
