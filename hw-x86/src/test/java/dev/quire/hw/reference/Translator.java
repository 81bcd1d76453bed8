// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr4;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** From a linear address to a physical one, with TLBs, paging-structure caches and counting. */
public final class Translator {
  /** Address spaces of one kind that the hardware can tell apart at a time. */
  private static final int MOST_SPACES = 63;

  /** An address, or why there is none. */
  record Result(long address, @Nullable Fault fault) {}

  private final CpuProfile cpu;
  private final SlowMemory memory;
  private final long[] counters;
  private final @Nullable SlowTlb tlb;
  private final @Nullable SlowStructures structures;
  private final Set<Integer> tags = new HashSet<>();
  private final Set<Integer> pcids = new HashSet<>();
  private int largeShift = 21;
  private int currentTag;
  private boolean paged;
  private boolean isLong;

  Translator(CpuProfile cpu, @Nullable TlbGeometry geometry, SlowMemory memory, long[] counters) {
    this.cpu = cpu;
    this.memory = memory;
    this.counters = counters;
    tlb = geometry == null ? null : new SlowTlb(geometry, counters);
    structures =
        geometry == null
            ? null
            : new SlowStructures(geometry.structures(), geometry.replacement(), counters);
  }

  static int pcid(Registers registers) {
    return (registers.cr4 & Cr4.PCIDE) != 0 ? (int) registers.cr3 & 0xfff : 0;
  }

  /** The registers of a control block are in force from here on. */
  void enter(ControlBlock block) {
    Registers registers = block.registers();
    currentTag = block.tag();
    paged = Shape.isPaged(registers);
    if (!paged) {
      return;
    }
    admit(block.tag(), pcid(registers));
    isLong = Shape.of(registers).isLong();
    int shift = Shape.of(registers).shift(2);
    if (shift != largeShift && tlb != null) {
      tlb.removeIf(e -> true); // one size of large pages at a time
    }
    largeShift = shift;
  }

  private void admit(int tag, int pcid) {
    boolean full =
        !tags.contains(tag) && tags.size() == MOST_SPACES
            || !pcids.contains(pcid) && pcids.size() == MOST_SPACES;
    if (full) {
      tags.clear();
      pcids.clear();
      dropAll();
    }
    tags.add(tag);
    pcids.add(pcid);
  }

  // ---- translation ----

  Result translate(ControlBlock block, long flags, long linear) {
    if (!Shape.isPaged(block.registers())) {
      counters[HwEvent.UNPAGED_ACCESSES.ordinal()]++;
      return new Result(linear & 0xffffffffL, null);
    }
    Demand demand = Demand.of(flags, linear);
    if (block.kernelIsUser()) {
      demand = demand.asUser();
    }
    if (!Operation.fits(linear)) {
      return new Result(0, new Fault(Fault.GP, 0, linear));
    }
    Result result = viaTlb(block, demand);
    counters[HwEvent.ACCESSES.ordinal()] += result.fault() == null ? 1 : 0;
    return result;
  }

  private Result viaTlb(ControlBlock block, Demand demand) {
    Registers registers = block.registers();
    Shape shape = Shape.of(registers);
    int pcid = pcid(registers);
    long linear = demand.linear();
    if (tlb != null) {
      Page known = tlb.lookup(currentTag, pcid, linear, demand.fetch(), shape);
      if (known != null) {
        if ((!demand.write() || known.dirty()) && AccessRights.allows(known, demand, registers)) {
          return new Result(known.address(linear), null);
        }
        tlb.drop(currentTag, pcid, linear, demand.fetch());
        counters[HwEvent.RIGHTS_REWALKS.ordinal()]++;
      }
    }
    if (!shape.isCanonical(linear)) {
      return new Result(0, new Fault(Fault.GP, 0, linear));
    }
    counters[HwEvent.WALKS.ordinal()]++;
    Walk walk = walk(registers, shape, pcid, demand);
    Page page = walk.page();
    if (page == null || !walk.succeeds()) {
      dropFaulting(pcid, linear, shape);
      return new Result(0, new Fault(Fault.PF, walk.errorCode(), linear));
    }
    counters[HwEvent.WALKS_TO_4K.ordinal() + page.level() - 1]++;
    Page kept = demand.write() ? page.dirtied() : page;
    if (tlb != null) {
      tlb.fill(currentTag, pcid, linear, demand.fetch(), kept, shape);
    }
    return new Result(page.address(linear), null);
  }

  /** A walk as low as the paging-structure caches allow; where that does not do, from the root. */
  private Walk walk(Registers registers, Shape shape, int pcid, Demand demand) {
    int alreadyRead = 0;
    if (structures != null && structures.exist()) {
      Walk.Start known = structures.lowestKnown(currentTag, pcid, demand.linear(), shape);
      Walk fast =
          known == null
              ? Walk.fromRoot(cpu, registers, shape, memory, demand)
              : Walk.from(known, cpu, registers, shape, memory, demand);
      List<Walk.Step> read = untilOneMustBeWritten(fast.steps());
      keep(read, shape, pcid, demand.linear());
      count(read);
      if (fast.succeeds() && fast.needsNoWrite(true, demand)) {
        return fast;
      }
      alreadyRead = known == null ? read.size() : 0;
    }
    while (true) {
      Walk walk = Walk.fromRoot(cpu, registers, shape, memory, demand);
      count(walk.steps().subList(alreadyRead, walk.steps().size()));
      if (!walk.succeeds() || setsAccessedAndDirty(walk, shape, demand)) {
        return walk;
      }
      counters[HwEvent.ASSIST_RETRIES.ordinal()]++;
    }
  }

  /** A walk that may not write turns back at the first table whose A bit it would have to set. */
  private static List<Walk.Step> untilOneMustBeWritten(List<Walk.Step> steps) {
    for (int i = 0; i < steps.size(); i++) {
      Walk.Start below = steps.get(i).below();
      if (below != null && !below.accessed()) {
        return steps.subList(0, i + 1);
      }
    }
    return steps;
  }

  private void count(List<Walk.Step> steps) {
    for (Walk.Step step : steps) {
      counters[HwEvent.REFERENCES_1.ordinal() + step.level() - 1]++;
    }
  }

  private void keep(List<Walk.Step> steps, Shape shape, int pcid, long linear) {
    for (Walk.Step step : steps) {
      Walk.Start below = step.below();
      if (below != null && below.accessed() && structures != null) {
        structures.put(currentTag, pcid, linear, step.level(), below, shape);
      }
    }
  }

  /** From the last entry up; begins again if the walk's own writes changed an entry under it. */
  private boolean setsAccessedAndDirty(Walk walk, Shape shape, Demand demand) {
    List<Walk.Step> steps = walk.steps();
    for (int i = steps.size() - 1; i >= 0; i--) {
      Walk.Step step = steps.get(i);
      long missing = Walk.wanted(step, demand) & ~step.entry();
      if (missing == 0) {
        continue;
      }
      if (memory.read(step.address(), shape.entryBytes()) != step.entry()) {
        return false;
      }
      memory.write(step.address(), shape.entryBytes(), step.entry() | missing);
      counters[HwEvent.ACCESSED_SET.ordinal()] += missing >>> 5 & 1;
      counters[HwEvent.DIRTY_SET.ordinal()] += missing >>> 6 & 1;
    }
    return true;
  }

  // ---- invalidation ----

  private void dropFaulting(int pcid, long linear, Shape shape) {
    if (tlb != null) {
      tlb.drop(currentTag, pcid, linear, false);
      tlb.drop(currentTag, pcid, linear, true);
    }
    if (structures != null) {
      structures.dropPath(currentTag, pcid, linear, shape);
    }
  }

  public void dropAll() {
    drop(e -> true, e -> true);
  }

  public void dropTag(int tag) {
    drop(e -> e.tag() == tag, e -> e.tag() == tag);
  }

  void dropCurrentTag() {
    dropTag(currentTag);
  }

  void dropNonGlobal() {
    drop(e -> e.tag() == currentTag && !e.page().global(), e -> e.tag() == currentTag);
  }

  void dropPcid(int pcid) {
    drop(
        e -> e.tag() == currentTag && e.pcid() == pcid && !e.page().global(),
        e -> e.tag() == currentTag && e.pcid() == pcid);
  }

  void dropPage(int pcid, long linear, boolean globals) {
    drop(
        e ->
            e.tag() == currentTag
                && (e.page().global() ? globals : e.pcid() == pcid)
                && e.isOfPageWith(linear),
        e -> e.tag() == currentTag && e.pcid() == pcid);
  }

  /** One page of a tag, of all its PCIDs; everything of the tag if it is not running now. */
  public void dropLinear(int tag, long address) {
    if (tag != currentTag || !paged) {
      dropTag(tag);
      return;
    }
    long linear = isLong ? address : address & 0xffffffffL;
    drop(e -> e.tag() == tag && e.isOfPageWith(linear), e -> e.tag() == tag);
  }

  private void drop(Predicate<SlowTlb.Entry> entries, Predicate<SlowStructures.Entry> above) {
    if (tlb != null) {
      tlb.removeIf(entries);
    }
    if (structures != null) {
      structures.removeIf(above);
    }
  }
}
