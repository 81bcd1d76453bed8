// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import dev.quire.api.address.Gva;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.hw.kernel.Specializer;
import dev.quire.hw.kernel.TableWalker;
import dev.quire.hw.kernel.Walker;
import dev.quire.hw.kernel.WalkerParts;
import dev.quire.hw.memory.SparseMemory;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The walker for everybody but the CPUs: the hardware's own, without caches and counters. */
final class SoftwareWalker implements PageWalker {
  private final SparseMemory memory;
  private final Map<PagingFormat, Made> byFormat = new ConcurrentHashMap<>();

  /** The one used last: nearly always the one wanted next, so that a walk looks nothing up. */
  private volatile @Nullable Made last;

  /** A walker and what it is for. */
  private record Made(PagingFormat format, Walker walker) {}

  SoftwareWalker(SparseMemory memory) {
    this.memory = memory;
  }

  @Override
  public long walk(
      PagingContext context,
      @Gva long linear,
      long access,
      @Nullable FrameMapper frames,
      boolean update,
      @Nullable WalkTrace trace) {
    PagingRules rules = context.rules();
    if (rules == null) {
      throw new IllegalArgumentException("paging is off: there are no tables to walk");
    }
    Made made = last;
    if (made == null || !made.format().equals(rules.format())) {
      made = byFormat.computeIfAbsent(rules.format(), this::walkerFor);
      last = made;
    }
    return made.walker().walk(context, linear, access, frames, update, trace);
  }

  private Made walkerFor(PagingFormat format) {
    WalkerParts parts = new WalkerParts(format, memory, null);
    return new Made(format, Specializer.specialise(Walker.class, TableWalker.class, parts));
  }
}
