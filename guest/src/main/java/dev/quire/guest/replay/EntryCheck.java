// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Translation;
import dev.quire.guest.trace.TraceReader;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * {@code check-ad}: compares page-table memory with the recording's after every FILL of a base
 * file. Both change only where stores go and along the walks of accesses, so that is compared, each
 * time, and all of it at the end.
 *
 * <p>They are equal, with two exceptions for A and D, both counted. The recording has no walk for a
 * store to a page table that its TLB served; here the store may walk, and then it sets A and D
 * {@link #early}. And where our own TLB spares a walk that the recording has, a live entry must
 * explain it, or a backend that follows a table only when the guest invalidates.
 */
final class EntryCheck {
  private static final long ASSISTED = PageEntry.A | PageEntry.D;
  private static final long KERNEL_WRITE = Access.of(Access.WRITE, false, true);

  private final Domain domain;
  private final Vcpu vcpu;
  private final DifferenceLog log;
  private final boolean base;
  private final PageTableMemory recorded = new PageTableMemory();
  private final WalkTrace trace = new WalkTrace();

  /**
   * Addresses of entries that have A or D from the walk of a store, but not yet in the recording.
   */
  private final Set<Long> early = new HashSet<>();

  /** Addresses of entries that lack A or D because a live TLB entry spared the walk. */
  private final Set<Long> spared = new HashSet<>();

  private long compared;
  private long earlyCount;
  private long sparedCount;

  /**
   * A check.
   *
   * @param base whether the file is a base file; in a window, A and D follow other walks than FILLs
   */
  EntryCheck(Domain domain, DifferenceLog log, boolean base) {
    this.domain = domain;
    this.log = log;
    this.base = base;
    vcpu = domain.vcpu(0);
  }

  /** The recording's page tables; kept up to date by whoever reads it. */
  PageTableMemory recorded() {
    return recorded;
  }

  /** How many entries were compared. */
  long compared() {
    return compared;
  }

  /** How many had A or D early. */
  long early() {
    return earlyCount;
  }

  /** How many lacked A or D, with a live TLB entry that explains it. */
  long spared() {
    return sparedCount;
  }

  /**
   * Compares what stores of the guest, which have run, changed: their bytes and the entries of
   * their walk.
   *
   * @param linear of the first store, or {@link TableSearch#NOT_FOUND}
   */
  void checkStores(long linear, TraceReader reader) {
    if (!base) {
      return;
    }
    long bytes = (long) reader.storeCount() * reader.storeBytes();
    @Gpa long end = Addresses.advance(reader.physical(), bytes);
    int entryBytes = WalkResult.format(vcpu).entryBytes();
    @Gpa long at = Addresses.alignDown(reader.physical(), entryBytes);
    for (; at < end; at = Addresses.advance(at, entryBytes)) {
      entry(at, domain.deviceLoad(at, entryBytes), entryBytes, reader.record());
    }
    if (linear != TableSearch.NOT_FOUND) {
      walk(Addresses.gva(linear), KERNEL_WRITE, reader.record(), reader.physical(), end);
    }
  }

  /** Compares the entries of the walk of an access that has run. */
  void checkAccess(@Gva long linear, long access, long record) {
    walk(linear, access, record, Addresses.gpa(0), Addresses.gpa(0));
  }

  /** Compares everything that the recording follows. */
  void checkAll(long record) {
    int entryBytes = WalkResult.format(vcpu).entryBytes();
    for (Map.Entry<Long, long[]> frame : recorded.frames().entrySet()) {
      @Gfn long gfn = Addresses.gfn(frame.getKey());
      for (int offset = 0; offset < Addresses.PAGE_SIZE; offset += entryBytes) {
        @Gpa long at = Addresses.gfnToGpa(gfn, offset);
        entry(at, domain.deviceLoad(at, entryBytes), entryBytes, record);
      }
    }
  }

  /** An entry on no walk: what was explained when it was on one still is. */
  private void entry(@Gpa long at, long ours, int entryBytes, long record) {
    compared++;
    if (!recorded.knows(at)) {
      return; // retired
    }
    long difference = ours ^ recorded.load(at, entryBytes);
    if (difference == 0) {
      early.remove(at);
      spared.remove(at);
      return;
    }
    long excused =
        (early.contains(at) || !base ? ASSISTED & ours : 0)
            | (spared.contains(at) || !base ? ASSISTED & ~ours : 0);
    if ((difference & ~excused) != 0) {
      differs(record, at, ours, List.of());
    }
  }

  /** The walk of an access; a store to its own walk's entries wrote {@code from} to {@code to}. */
  private void walk(@Gva long linear, long access, long record, @Gpa long from, @Gpa long to) {
    trace.clear();
    long result = vcpu.translate(linear, access, trace);
    List<WalkTrace.Step> steps = trace.steps();
    compared += steps.size();
    for (WalkTrace.Step step : steps) {
      @Gpa long at = Addresses.gpa(step.address());
      if (at >= from && at < to) {
        return; // the store wrote this entry itself, so that its walk went another way
      }
      if (at < 0) {
        continue; // a PDPTE register
      }
      boolean leaf = !Translation.isFault(result) && step.level() == Translation.level(result);
      boolean agrees = recorded.knows(at) && agrees(step, at, linear, access, leaf, from < to);
      if (!agrees) {
        List<String> walk = new ArrayList<>(trace.explain(result));
        walk.add(0, String.format("after %s at 0x%x:", Access.describe(access), linear));
        differs(record, at, step.entry(), walk);
      }
    }
  }

  private boolean agrees(
      WalkTrace.Step step,
      @Gpa long at,
      @Gva long linear,
      long access,
      boolean leaf,
      boolean store) {
    long ours = step.entry();
    long theirs = recorded.load(at, step.format().entryBytes());
    long difference = ours ^ theirs;
    if ((difference & ~ASSISTED) != 0) {
      return false;
    }
    long used = PageEntry.A | (leaf && (access & Access.WRITE) != 0 ? PageEntry.D : 0);
    long extra = ours & difference;
    if (store && extra != 0 && (extra & ~used) == 0) {
      earlyCount += early.add(at) ? 1 : 0;
    }
    if ((ours & PageEntry.P) != 0 && (used & ~ours) != 0) {
      boolean dirty = (used & ~ours & PageEntry.D) != 0;
      if (!LiveEntries.cover(vcpu, linear, step.format().shift(step.level()), dirty)
          && (dirty || !domain.paging().lagsBehind(Addresses.gpaToGfn(at)))) {
        return false;
      }
      sparedCount++;
      spared.add(at);
    }
    return (extra == 0 || early.contains(at)) && (extra == difference || spared.contains(at));
  }

  private void differs(long record, @Gpa long at, long ours, List<String> walk) {
    String theirs =
        recorded.knows(at)
            ? describe(recorded.load(at, WalkResult.format(vcpu).entryBytes()))
            : "not followed";
    log.add(
        record,
        String.format("table entry at 0x%x is %s, recorded is %s", at, describe(ours), theirs),
        walk);
  }

  private static String describe(long entry) {
    return String.format("0x%x (%s)", entry, PageEntry.describe(entry));
  }
}
