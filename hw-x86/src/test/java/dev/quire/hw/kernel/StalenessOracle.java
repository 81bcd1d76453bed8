// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Translation;
import dev.quire.hw.reference.AccessRights;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Memory;
import dev.quire.hw.reference.Page;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.Walk;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Knows every live entry and holds each of them to this: it was obtainable from the tables at some
 * moment since the last invalidation that covers it. By induction over operations: an entry that is
 * new must be obtainable now, by a walk from the root or from a live paging-structure entry; an old
 * one must not be covered by what the operation invalidates.
 */
final class StalenessOracle {
  private final CpuProfile profile;
  private final TestCpu cpu;
  private long checks;
  private LiveEntries live = new LiveEntries(Set.of(), Set.of());

  StalenessOracle(CpuProfile profile, TestCpu cpu) {
    this.profile = profile;
    this.cpu = cpu;
  }

  /** How many entries were seen live, over all operations. */
  long checks() {
    return checks;
  }

  /**
   * One operation.
   *
   * @param forgetting what must have gone
   * @param control who may have made entries, null for nobody
   * @param write whether it was a data write
   * @param before memory before the operation
   * @param now memory after it
   */
  record Moment(
      String what,
      Forgetting forgetting,
      @Nullable ControlBlock control,
      boolean write,
      Memory before,
      Memory now) {}

  /** After something that cannot have made entries. */
  void afterInvalidation(String what, Forgetting forgetting) {
    Memory now = cpu.memory::load;
    after(new Moment(what, forgetting, null, false, now, now));
  }

  /** Everything was to be forgotten before the operation that comes next. */
  void expectNothing() {
    live = new LiveEntries(Set.of(), Set.of());
  }

  /** Looks at every entry. */
  void after(Moment moment) {
    LiveEntries found = LiveEntries.of(cpu);
    for (LiveEntries.Structure entry : found.structures()) {
      if (live.structures().contains(entry)) {
        assertThat(moment.forgetting().structures().test(entry))
            .as("%s left %s", moment.what(), entry)
            .isFalse();
      } else {
        assertThat(isObtainable(entry, found, moment))
            .as("%s made %s", moment.what(), entry)
            .isTrue();
      }
    }
    for (LiveEntries.Translated entry : found.tlb()) {
      if (live.tlb().contains(entry)) {
        assertThat(moment.forgetting().tlb().test(entry))
            .as("%s left %s", moment.what(), entry)
            .isFalse();
      } else {
        assertThat(isObtainable(entry, found, moment))
            .as("%s made %s", moment.what(), entry)
            .isTrue();
      }
    }
    live = found;
    checks += found.tlb().size() + found.structures().size();
  }

  private boolean isObtainable(LiveEntries.Structure entry, LiveEntries found, Moment moment) {
    ControlBlock control = moment.control();
    if (control == null) {
      return false;
    }
    Shape shape = Shape.of(control.registers());
    long linear = entry.number() << shape.shift(entry.level()) << 7 >> 7;
    if (entry.tag() != control.tag() || entry.pcid() != pcid(control.registers())) {
      return false;
    }
    for (Walk walk : walks(linear, found, control, List.of(moment.before(), moment.now()))) {
      for (Walk.Step step : walk.steps()) {
        Walk.Start below = step.below();
        if (step.level() == entry.level() && below != null && isSame(entry.below(), below)) {
          return true;
        }
      }
    }
    return false;
  }

  /** The layout of a table in the walker: 51..12 frame, 5 A, 2 user, 1 writable, 0 executable. */
  private static boolean isSame(long word, Walk.Start below) {
    long expected =
        below.table()
            | (below.accessed() ? 32 : 0)
            | (below.user() ? 4 : 0)
            | (below.writable() ? 2 : 0)
            | (below.executable() ? 1 : 0);
    return below.accessed() && word == expected;
  }

  private boolean isObtainable(LiveEntries.Translated entry, LiveEntries found, Moment moment) {
    ControlBlock control = moment.control();
    if (control == null) {
      return false;
    }
    boolean global = (entry.translation() & Translation.GLOBAL) != 0;
    boolean isMine =
        entry.tag() == control.tag() && (global || entry.pcid() == pcid(control.registers()));
    if (!isMine) {
      return false;
    }
    for (LiveEntries.Translated old : live.tlb()) {
      boolean moved =
          old.translation() == entry.translation()
              && old.tag() == entry.tag()
              && old.pcid() == entry.pcid()
              && isSamePage(old, entry, control);
      if (moved) {
        return true; // from the second level into the first
      }
    }
    for (Walk walk :
        walks(entry.linear(), found, control, List.of(moment.before(), moment.now()))) {
      Page page = walk.page();
      if (page != null && isSame(entry, page, moment.write())) {
        return true;
      }
    }
    return false;
  }

  private static boolean isSamePage(
      LiveEntries.Translated one, LiveEntries.Translated other, ControlBlock control) {
    int level = Translation.level(one.translation());
    int shift = Shape.of(control.registers()).shift(level);
    return (one.linear() ^ other.linear()) >>> shift == 0;
  }

  /** An entry has D if its page has, or if it was made by a write. */
  private static boolean isSame(LiveEntries.Translated entry, Page page, boolean write) {
    long word = entry.translation();
    boolean isCleanEnough = (word & Translation.DIRTY) == 0 || page.dirty() || write;
    return isCleanEnough
        && Translation.frame(word) == page.frame()
        && Translation.level(word) == page.level()
        && entry.shift() <= page.shift()
        && ((word & Translation.WRITABLE) != 0) == page.writable()
        && ((word & Translation.USER) != 0) == page.user()
        && ((word & Translation.EXECUTABLE) != 0) == page.executable()
        && ((word & Translation.GLOBAL) != 0) == page.global()
        && Translation.key(word) == page.key();
  }

  /** All walks that are possible: from the root, and from each live entry above the address. */
  private List<Walk> walks(
      long linear, LiveEntries found, ControlBlock control, List<Memory> memories) {
    Registers registers = control.registers();
    Shape shape = Shape.of(registers);
    Demand look = new Demand(linear, false, false, false, true);
    List<Walk> walks = new ArrayList<>();
    for (Memory memory : memories) {
      walks.add(Walk.fromRoot(profile, registers, shape, memory, look));
      for (LiveEntries from : List.of(live, found)) {
        for (LiveEntries.Structure entry : from.structures()) {
          long number = (linear & Operation.ADDRESS) >>> shape.shift(entry.level());
          boolean applies =
              entry.tag() == control.tag()
                  && entry.pcid() == pcid(registers)
                  && entry.number() == number;
          if (applies) {
            walks.add(Walk.from(start(entry), profile, registers, shape, memory, look));
          }
        }
      }
    }
    return walks;
  }

  private static Walk.Start start(LiveEntries.Structure entry) {
    long word = entry.below();
    long table = word & 0x000ffffffffff000L;
    boolean writable = (word & 2) != 0;
    boolean user = (word & 4) != 0;
    boolean executable = (word & 1) != 0;
    return new Walk.Start(entry.level() - 1, table, writable, user, executable, true);
  }

  static int pcid(Registers registers) {
    return (registers.cr4 & Cr4.PCIDE) != 0 ? (int) registers.cr3 & 0xfff : 0;
  }

  /**
   * Whether an access may have reached an address: by an entry that was live and permits it, or by
   * a walk.
   */
  boolean mayReach(long address, Demand demand, ControlBlock control, Memory before) {
    Registers registers = control.registers();
    Shape shape = Shape.of(registers);
    for (LiveEntries.Translated entry : live.tlb()) {
      boolean global = (entry.translation() & Translation.GLOBAL) != 0;
      boolean applies =
          entry.tag() == control.tag()
              && (global || entry.pcid() == pcid(registers))
              && entry.covers(demand.linear());
      if (applies) {
        Page page = page(entry, shape);
        boolean dirtyEnough = page.dirty() || !demand.write();
        if (page.address(demand.linear()) == address
            && dirtyEnough
            && AccessRights.allows(page, demand, registers)) {
          return true;
        }
      }
    }
    for (Walk walk : walks(demand.linear(), live, control, List.of(before))) {
      Page page = walk.page();
      if (page != null
          && page.address(demand.linear()) == address
          && AccessRights.allows(page, demand, registers)) {
        return true;
      }
    }
    return false;
  }

  private static Page page(LiveEntries.Translated entry, Shape shape) {
    long word = entry.translation();
    int level = Translation.level(word);
    return new Page(
        Translation.frame(word),
        shape.shift(level),
        level,
        (word & Translation.WRITABLE) != 0,
        (word & Translation.USER) != 0,
        (word & Translation.EXECUTABLE) != 0,
        (word & Translation.GLOBAL) != 0,
        (word & Translation.DIRTY) != 0,
        Translation.key(word));
  }
}
