// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hw.memory.SparseMemory;
import org.jspecify.annotations.Nullable;

/**
 * The loops of one CPU over one second dimension, or over none: one for each paging format that was
 * used, each with a walker of its own.
 */
final class LoopSet {
  /**
   * What all loops of a CPU share.
   *
   * @param paging the walkers' view of the registers
   */
  record Base(
      SparseMemory memory, Counters counters, CachedMappings mappings, PagingContext paging) {}

  private final Base base;
  private final @Nullable NestedDimension nested;
  private final boolean switching;
  private final @Nullable Loop[] loops = new @Nullable Loop[Counters.LEVELS];
  private @Nullable Loop unpaged;

  /** Loops without a second dimension. */
  LoopSet(Base base) {
    this.base = base;
    nested = null;
    switching = false;
  }

  /** Loops over tables of these rules. */
  LoopSet(Base base, NestedRules rules, boolean switching) {
    this.base = base;
    this.switching = switching;
    NestedParts parts =
        new NestedParts(rules, base.memory(), base.counters(), base.mappings().nested());
    nested = Specializer.specialise(NestedDimension.class, NestedWalker.class, parts);
  }

  /** The second dimension, null without one. */
  @Nullable NestedDimension nested() {
    return nested;
  }

  /** Whether the second dimension is the one that a control block asks for. */
  boolean isFor(NestedPaging paging) {
    if (nested == null) {
      return !paging.isOn();
    }
    NestedRules rules = nested.rules();
    if (switching != paging.switchingBit) {
      return false;
    }
    if (!rules.isEpt()) {
      return paging.format == NestedPaging.Format.NPT && rules.isNoExecute() == paging.noExecute;
    }
    return paging.format == NestedPaging.Format.EPT
        && rules.format().levels() == paging.levels
        && rules.tablesAreWritten() == paging.accessedDirty
        && rules.isModeBasedExecute() == paging.modeBasedExecute;
  }

  /** The loop for accesses with paging off, null if they reach the machine as they are. */
  @Nullable Loop unpaged() {
    NestedDimension dimension = nested;
    if (dimension != null && unpaged == null) {
      unpaged = new UnpagedLoop(dimension, base.counters());
    }
    return unpaged;
  }

  /** The loop for a format, null if it was never used. */
  @Nullable Loop find(PagingFormat format) {
    return loops[format.levels()];
  }

  /** Makes the loop for a format with the walker that {@link #walker} gave. */
  Loop make(PagingFormat format, Walker walker) {
    LoopParts parts =
        new LoopParts(
            format,
            base.mappings().cache(),
            walker,
            base.paging(),
            base.counters(),
            nested != null);
    Loop made = Specializer.specialise(Loop.class, BlockLoop.class, parts);
    loops[format.levels()] = made;
    return made;
  }

  /** A walker for a format. */
  Walker walker(PagingFormat format) {
    WalkerParts.Hardware hardware =
        new WalkerParts.Hardware(
            base.paging(),
            base.mappings().structures(),
            base.counters(),
            nested,
            switching && format.isLongMode());
    WalkerParts parts = new WalkerParts(format, base.memory(), hardware);
    return Specializer.specialise(Walker.class, TableWalker.class, parts);
  }
}
