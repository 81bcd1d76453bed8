// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One walk for one access, recorded step by step; it reads memory and changes nothing. */
public final class Walk {
  /**
   * Where a walk begins, or goes on: at the root, or as far down as a paging-structure cache knows.
   *
   * @param level of the table that is to be read
   * @param table where it lies
   * @param accessed whether A = 1 in all entries above
   */
  public record Start(
      int level,
      long table,
      boolean writable,
      boolean user,
      boolean executable,
      boolean accessed) {}

  /**
   * An entry that was read from memory.
   *
   * @param below where it leads, if that is another table
   */
  public record Step(int level, long address, long entry, @Nullable Start below) {}

  private final List<Step> steps = new ArrayList<>();
  private @Nullable Page page;
  private int errorCode = -1;

  private Walk() {}

  /** A walk from the root. */
  public static Walk fromRoot(
      CpuProfile cpu, Registers registers, Shape shape, Memory memory, Demand demand) {
    if (shape.levels() != 3) {
      long root = registers.cr3 & EntryRules.bits(shape.isLong() ? 51 : 31, 12);
      long inMachine = root & EntryRules.bits(cpu.physicalBits() - 1, 0);
      Start start = new Start(shape.levels(), inMachine, true, true, true, true);
      return from(start, cpu, registers, shape, memory, demand);
    }
    long pdpte = registers.pdptes[shape.index(demand.linear(), 3)];
    if (!EntryRules.isPresent(pdpte)) {
      Walk walk = new Walk();
      walk.errorCode = AccessRights.accessCode(demand, registers);
      return walk;
    }
    Start start = new Start(2, pdpte & EntryRules.bits(51, 12), true, true, true, true);
    return from(start, cpu, registers, shape, memory, demand);
  }

  /** A walk that goes on from some table. */
  public static Walk from(
      Start start, CpuProfile cpu, Registers registers, Shape shape, Memory memory, Demand demand) {
    Walk walk = new Walk();
    EntryRules rules = new EntryRules(cpu, registers, shape);
    Start at = start;
    while (at != null) {
      at = walk.step(at, rules, registers, shape, memory, demand);
    }
    return walk;
  }

  private @Nullable Start step(
      Start at, EntryRules rules, Registers registers, Shape shape, Memory memory, Demand demand) {
    int level = at.level();
    int index = shape.index(demand.linear(), level);
    long address = at.table() + (long) index * shape.entryBytes();
    long entry = memory.read(address, shape.entryBytes());
    boolean writable = at.writable() && (entry & 2) != 0;
    boolean user = at.user() && (entry & 4) != 0;
    boolean executable = at.executable() && rules.isExecutable(entry);
    Start below = null;
    if (!EntryRules.isPresent(entry)) {
      errorCode = AccessRights.accessCode(demand, registers);
    } else if ((entry & rules.reserved(entry, level)) != 0) {
      errorCode = 1 + 8 + AccessRights.accessCode(demand, registers);
    } else if (!rules.mapsPage(entry, level)) {
      boolean accessed = at.accessed() && (entry & 32) != 0;
      below = new Start(level - 1, rules.table(entry), writable, user, executable, accessed);
    } else {
      Page found =
          new Page(
              rules.frame(entry, level),
              shape.shift(level),
              level,
              writable,
              user,
              executable,
              rules.isGlobal(entry),
              (entry & 64) != 0,
              rules.key(entry));
      conclude(found, demand, registers);
    }
    steps.add(new Step(level, address, entry, below));
    return below;
  }

  private void conclude(Page found, Demand demand, Registers registers) {
    page = found;
    if (!AccessRights.allows(found, demand, registers)) {
      errorCode = AccessRights.violationCode(found, demand, registers);
    }
  }

  /** Whether the access may go on. */
  public boolean succeeds() {
    return errorCode < 0;
  }

  /** The error code of the page fault. */
  public int errorCode() {
    return errorCode;
  }

  /** The page that the entries map, whether or not the access may use it. */
  public @Nullable Page page() {
    return page;
  }

  /** What was read, root first. */
  public List<Step> steps() {
    return steps;
  }

  /** What bits of an entry the access makes the walker set. */
  static long wanted(Step step, Demand demand) {
    return step.below() == null && demand.write() ? 32 + 64 : 32;
  }

  /** Whether all A bits, and D for a write, are set already. */
  public boolean needsNoWrite(boolean accessedAbove, Demand demand) {
    return accessedAbove && steps.stream().allMatch(s -> (wanted(s, demand) & ~s.entry()) == 0);
  }
}
