// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.hw.memory.SparseMemory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What translates for one CPU: TLBs, paging-structure caches, and for each paging format in use a
 * walker and a loop, specialised when the format is first used. Knows which address space and which
 * second dimension are current.
 */
public final class TranslationUnit {
  /** Linear addresses outside long mode, and physical ones with paging off: 32 bits. */
  private static final long ADDRESS_32 = 0xffffffffL;

  private static final int UNPAGED_ACCESSES = HwEvent.UNPAGED_ACCESSES.ordinal();

  /** A CPU for training: no address is beyond it. */
  private static final CpuProfile TRAINING = CpuProfile.full(CpuProfile.Vendor.INTEL, 52);

  private final CpuProfile profile;
  private final Counters counters;
  private final CachedMappings mappings;
  private final @Nullable TranslationCache cache;
  private final boolean trained;
  private final PagingContext paging;
  private final TranslationContext context = new TranslationContext();
  private final LoopSet.Base base;
  private final List<LoopSet> loopSets = new ArrayList<>();

  private @Nullable Loop loop;

  private @Nullable NestedDimension nested;
  private LoopSet loops;

  /** The number of the VPID and the EPT root together. */
  private int tag;

  private boolean stale = true;

  /**
   * The unit of a CPU.
   *
   * @param mappings all that it caches
   * @param trained whether new loops are trained before they are used
   */
  public TranslationUnit(
      CpuProfile profile,
      SparseMemory memory,
      Counters counters,
      CachedMappings mappings,
      boolean trained) {
    this.profile = profile;
    this.counters = counters;
    this.mappings = mappings;
    this.cache = mappings.cache();
    this.trained = trained;
    this.paging = new PagingContext(profile);
    this.base = new LoopSet.Base(memory, counters, mappings, paging);
    this.loops = new LoopSet(base);
    loopSets.add(loops);
  }

  /** Takes the state that a control block gives. */
  void load(ControlBlock block) {
    paging.load(block.registers());
    PagingRules rules = paging.rules();
    tag = mappings.enter(block.tag(), block.nested(), rules != null);
    enter(block.nested());
    if (rules == null) {
      loop = loops.unpaged();
      stale = true;
      return;
    }
    long privilege = block.kernelIsUser() ? Access.USER | Access.SMAP_EXEMPT : 0;
    Loop wanted = loopFor(rules.format(), block.nested());
    if (stale || wanted != loop || !isCurrent(rules, privilege)) {
      activate(wanted, rules, privilege);
    }
  }

  /** Makes a second dimension current, or none. */
  private void enter(NestedPaging wanted) {
    if (!loops.isFor(wanted)) {
      loops = loopsFor(wanted);
      nested = loops.nested();
      stale = true;
    }
    if (nested != null) {
      nested.enter(wanted);
    }
  }

  private LoopSet loopsFor(NestedPaging wanted) {
    for (LoopSet each : loopSets) {
      if (each.isFor(wanted)) {
        return each;
      }
    }
    LoopSet made = new LoopSet(base, SecondDimension.rules(profile, wanted), wanted.switchingBit);
    loopSets.add(made);
    return made;
  }

  private void activate(Loop wanted, PagingRules rules, long privilege) {
    mappings.enterSpace(paging.pcid());
    context.set(
        rules.format(),
        tag,
        paging.pcid(),
        rules.rights(),
        paging.pkru(),
        paging.pkrs(),
        privilege);
    loop = wanted;
    wanted.privilege(privilege);
    if (cache != null) {
      cache.contextChanged(context);
    }
    stale = false;
  }

  private boolean isCurrent(PagingRules rules, long privilege) {
    return context.tag() == tag
        && context.pcid() == paging.pcid()
        && context.rights() == rules.rights()
        && context.pkru() == paging.pkru()
        && context.pkrs() == paging.pkrs()
        && context.privilege() == privilege
        && mappings.isCurrent(paging.pcid());
  }

  private Loop loopFor(PagingFormat format, NestedPaging current) {
    Loop there = loops.find(format);
    if (there != null) {
      return there;
    }
    Walker walker = loops.walker(format);
    Loop made = loops.make(format, walker);
    Trainer trainer = new Trainer(format, walker, nested);
    if (trained && trainer.canTrain(cache != null)) {
      train(trainer, format, made, current);
    }
    return made;
  }

  /**
   * Trains a new loop; afterwards nothing has been counted, and the caches are as they were made.
   */
  private void train(Trainer trainer, PagingFormat format, Loop made, NestedPaging current) {
    long[] counted = counters.values().clone();
    PagingContext real = new PagingContext(paging);
    long[] pdptes = new long[Registers.PDPTES];
    long root = trainer.build(pdptes);
    NestedDimension dimension = nested;
    if (dimension != null) {
      dimension.enter(trainer.buildNested(dimension));
    }
    paging.set(new PagingRules(format, TRAINING, Cr0.WP, Cr4.PAE | Cr4.PGE, Efer.NXE), root);
    System.arraycopy(pdptes, 0, paging.pdptes(), 0, pdptes.length);
    activate(made, Verdict.rules(paging), 0);
    trainer.train(made, cache != null);
    trainer.forget();
    if (dimension != null) {
      dimension.enter(current);
    }
    System.arraycopy(counted, 0, counters.values(), 0, counted.length);
    paging.set(real);
    stale = true;
    mappings.reset();
  }

  /** Runs probes; see {@link Loop#run}. */
  int run(OperationBlock block, int from, int to) {
    Loop now = loop;
    return now != null ? now.run(block, from, to) : runUnpaged(block, from, to);
  }

  private int runUnpaged(OperationBlock block, int from, int to) {
    long[] operations = block.operations();
    long[] reached = block.reached();
    int i = from;
    while (i < to && (operations[i] & Key.SPECIAL) == 0 && !Operation.isControl(operations[i])) {
      reached[i] = operations[i] & ADDRESS_32;
      i++;
    }
    counters.values()[UNPAGED_ACCESSES] += i - from;
    return i;
  }

  /** The fault that ended the last {@link #run}, or 0. */
  long fault() {
    Loop now = loop;
    return now != null ? now.fault : 0;
  }

  /** One access; see {@link Loop#translate}. */
  long translate(long access) {
    Loop now = loop;
    if (now != null) {
      return now.translate(access);
    }
    counters.values()[UNPAGED_ACCESSES]++;
    return access & ADDRESS_32;
  }

  /** A linear address as wide as the mode has it: outside long mode it wraps at 4 GiB. */
  @Gva
  long wrapped(@Gva long linear) {
    PagingRules rules = paging.rules();
    boolean wide = rules != null && rules.format().isLongMode();
    return wide ? linear : Addresses.gva(linear & ADDRESS_32);
  }

  /** The TLBs, null without caching. */
  @Nullable TranslationCache cache() {
    return cache;
  }

  /** All that is cached, for invalidation. */
  CachedMappings mappings() {
    return mappings;
  }

  /** After a nested fault: what led to it is not used again. */
  void dropPath(@Gva long linear) {
    PagingRules rules = paging.rules();
    NestedDimension dimension = nested;
    if (dimension != null) {
      PagingFormat format = rules == null ? PagingFormat.FOUR_LEVEL : rules.format();
      mappings.dropPath(paging.pcid(), linear, format, dimension);
    }
  }

  /** After a page fault: what is cached must not answer for the address any more. */
  void dropFaulting(@Gva long linear) {
    PagingRules rules = paging.rules();
    if (rules != null) {
      mappings.dropFaulting(linear, rules.format());
    }
  }

  /** The second dimension now in force, null for none. */
  @Nullable NestedDimension nested() {
    return nested;
  }

  /** The walkers' view of the registers. */
  PagingContext paging() {
    return paging;
  }
}
