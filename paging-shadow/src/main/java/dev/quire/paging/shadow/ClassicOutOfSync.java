// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;
import java.util.List;

/**
 * Lets the guest write tables of any level itself and brings all of them into sync at once ({@code
 * mark_mfn_out_of_sync}, {@code __shadow_sync_all} of Xen 3.0): when it loads CR3, when a table
 * gets a shadow, and when an address is used or invalidated whose entries changed. Nothing that
 * writes a table is emulated.
 */
final class ClassicOutOfSync implements SyncPolicy {
  private static final long ASSISTED = PageEntry.A | PageEntry.D;

  /** The types of tables above the last level, a bit each. */
  private static final int ABOVE = typesAbove();

  /** What a table has none of that is one: entries neither present nor empty. */
  private static final int STRANGE = 2;

  private final ClassicOutOfSyncTables tables;
  private final ShadowDomain domain;
  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final GuestTables guest;
  private final ShadowCounts counts;

  ClassicOutOfSync(ClassicOutOfSyncTables tables, ShadowDomain domain) {
    this.tables = tables;
    this.domain = domain;
    pages = domain.pages();
    graph = domain.graph();
    guest = domain.guest();
    counts = domain.counts();
  }

  private static int typesAbove() {
    int types = 0;
    for (int type = 0; type < ShadowKind.TYPES; type++) {
      types |= ShadowKind.of(type).isLast() ? 0 : 1 << type;
    }
    return types;
  }

  /** A vCPU without paging writes no tables of its own; those of others go out of sync as ever. */
  @Override
  public void paged(boolean everyVcpu) {}

  // ---- out of sync ----

  @Override
  public boolean unsync(int vcpu, @Mfn long mfn) {
    if (tables.isOutOfSync(mfn)) {
      return true;
    }
    counts.add(ShadowEvent.UNSYNCS);
    int first = Integer.MAX_VALUE;
    int end = 0;
    int types = graph.typesOf(mfn);
    for (int type = 0; types >>> type != 0; type++) {
      if ((types >>> type & 1) != 0) {
        int slot = graph.find(type, ShadowHash.ofTable(mfn));
        int bytes = pages.kind(slot).format().entryBytes();
        if (pages.low(slot) <= pages.high(slot)) {
          first = Math.min(first, guestIndex(slot, pages.low(slot)) * bytes / Long.BYTES);
          end = Math.max(end, guestIndex(slot, pages.high(slot)) * bytes / Long.BYTES + 1);
        }
      }
    }
    tables.add(mfn, Math.min(first, end), end);
    return true;
  }

  private int guestIndex(int slot, int index) {
    return index / pages.kind(slot).entriesPerGuestEntry();
  }

  @Override
  public void mapped(@Mfn long mfn, long place) {
    if (tables.addPlace(mfn, place)) {
      counts.add(ShadowEvent.SNAPSHOT_ELSEWHERE);
    }
  }

  @Override
  public boolean letsWrite(@Mfn long mfn, boolean byUser) {
    return tables.mayWrite(mfn);
  }

  // ---- what an address depends on ----

  /**
   * Is there an entry on the way to an address that is not what its shadow was made from ({@code
   * shadow_out_of_sync})?
   *
   * @param exactly whether A and D count
   */
  private boolean isBehind(GuestPath path, boolean exactly) {
    for (int level = path.top(); level >= path.bottom(); level--) {
      @Mfn long table = path.table(level);
      if (tables.isOutOfSync(table)) {
        ShadowKind kind = path.kind(level);
        // one snapshot stands for all shadows of a frame, so that one must not run ahead
        boolean several = Integer.bitCount(graph.typesOf(table)) > 1;
        long ignored = exactly || several ? 0 : ASSISTED;
        long known = tables.entry(kind, table, path.index(level));
        if (((known ^ path.entry(level)) & ~ignored) != 0) {
          return true;
        }
      }
    }
    return false;
  }

  @Override
  public boolean catchUp(GuestPath path) {
    if (!tables.any()) {
      return false;
    }
    counts.add(ShadowEvent.ADDRESS_CHECKS);
    return isBehind(path, false) && resyncAll(ShadowEvent.RESYNC_ALL_FAULT);
  }

  @Override
  public boolean invalidate(ShadowMode mode, @Gva long linear) {
    if (!tables.any()) {
      return false;
    }
    counts.add(ShadowEvent.ADDRESS_CHECKS);
    mode.readPath(linear);
    return (isBehind(mode.path(), true) || isAnyBehindAbove())
        && resyncAll(ShadowEvent.RESYNC_ALL_INVLPG);
  }

  /**
   * Whether any table above the last level has changed: INVLPG drops paging-structure entries of
   * every address (SDM vol. 3, 4.10.4.1), so that no vCPU may go by an old one afterwards.
   */
  private boolean isAnyBehindAbove() {
    for (int number = 0; number < tables.end(); number++) {
      @Mfn long mfn = tables.frame(number);
      if (mfn != FrameMapper.NONE
          && (graph.typesOf(mfn) & ABOVE) != 0
          && tables.nextDifference(number, 0) != ClassicOutOfSyncTables.NONE) {
        return true;
      }
    }
    return false;
  }

  // ---- in sync ----

  /** When all go into sync, what is below went first. */
  @Override
  public boolean reaching(int child) {
    return !tables.isClosed() && resyncAll(ShadowEvent.RESYNC_ALL_REACHED);
  }

  @Override
  public boolean promoting(@Mfn long mfn) {
    return resyncAll(ShadowEvent.RESYNC_ALL_PROMOTION);
  }

  @Override
  public void modeChanges() {
    resyncAll(ShadowEvent.RESYNC_ALL_MODE);
  }

  @Override
  public void rootsChange(int vcpu) {
    resyncAll(ShadowEvent.RESYNC_ALL_CR3);
  }

  @Override
  public void loggingEnds() {
    resyncAll(ShadowEvent.RESYNC_ALL_MODE);
  }

  @Override
  public void relinquish() {
    resyncAll(ShadowEvent.RESYNC_ALL_MEMORY);
    domain.highLevel().relinquish();
  }

  /** Answers whether there was anything out of sync. */
  private boolean resyncAll(ShadowEvent why) {
    if (!tables.any()) {
      return false;
    }
    counts.add(why);
    tables.close();
    protect();
    boolean flush = false;
    for (int level = 1; level <= ShadowKind.MOST_LEVELS; level++) { // what is above refers to it
      for (int number = 0; number < tables.end(); number++) {
        flush |= resync(number, level);
      }
    }
    tables.clear();
    if (flush) {
      domain.flush();
    }
    return true;
  }

  /** No table can be written any more; only then are they read. */
  private void protect() {
    for (int i = 0; i < tables.places(); i++) {
      if (domain.writeAccess().removeAt(tables.place(i), tables.writtenAt(i))) {
        counts.add(ShadowEvent.WRITABLE_BY_ENTRY);
      }
    }
    boolean flush = false;
    for (int number = 0; number < tables.end(); number++) {
      @Mfn long mfn = tables.frame(number);
      flush |= mfn != FrameMapper.NONE && domain.writeAccess().remove(mfn, 1, null);
    }
    if (flush) {
      domain.flush();
    }
  }

  private boolean resync(int number, int level) {
    boolean flush = false;
    for (int type = 0; type < ShadowKind.TYPES; type++) {
      @Mfn long mfn = tables.frame(number); // its last shadow may just have ended
      if (ShadowKind.of(type).level() == level
          && mfn != FrameMapper.NONE
          && (graph.typesOf(mfn) >>> type & 1) != 0) {
        flush |= resync(number, mfn, graph.find(type, ShadowHash.ofTable(mfn)));
      }
    }
    return flush;
  }

  private boolean resync(int number, @Mfn long mfn, int slot) {
    counts.add(ShadowEvent.RESYNCS);
    graph.get(slot); // a table that refers to itself could end by its own entries
    boolean flush = refresh(number, mfn, slot);
    boolean table = pages.kind(slot).isLast() || strange < STRANGE && !isAbandoned(mfn, slot);
    graph.put(slot);
    return !table && domain.unshadowing().removeShadows(mfn, true) || flush;
  }

  /** Of the last {@link #refresh}: entries that are neither present nor empty. */
  private int strange;

  /** The same: entries that became empty. */
  private int zeroed;

  /** Makes the shadow entries again whose guest entries changed. */
  private boolean refresh(int number, @Mfn long mfn, int slot) {
    strange = 0;
    zeroed = 0;
    boolean flush = false;
    int each = Long.BYTES / pages.kind(slot).format().entryBytes();
    int quadword = tables.nextDifference(number, 0);
    while (quadword != ClassicOutOfSyncTables.NONE) {
      for (int index = quadword * each; index < (quadword + 1) * each; index++) {
        flush |= refreshEntry(mfn, slot, index);
      }
      quadword = tables.nextDifference(number, quadword + 1);
    }
    return flush;
  }

  private boolean refreshEntry(@Mfn long mfn, int slot, int index) {
    ShadowKind kind = pages.kind(slot);
    long entry = guest.entry(kind, mfn, index);
    if (entry == tables.entry(kind, mfn, index)) {
      return false;
    }
    counts.add(ShadowEvent.RESYNCED_ENTRIES);
    zeroed += entry == 0 ? 1 : 0;
    strange += entry != 0 && (entry & PageEntry.P) == 0 ? 1 : 0;
    return domain.entries().revalidate(slot, index);
  }

  /** Whether the guest has emptied a table, as it does before it gives one back. */
  private boolean isAbandoned(@Mfn long mfn, int slot) {
    ShadowKind kind = pages.kind(slot);
    boolean present = zeroed == 0;
    for (int index = pages.low(slot); index <= pages.high(slot) && !present; index++) {
      present = (guest.entry(kind, mfn, guestIndex(slot, index)) & PageEntry.P) != 0;
    }
    return !present;
  }

  // ---- to look at ----

  @Override
  public void audit(List<String> wrong) {
    for (int number = 0; number < tables.end(); number++) {
      @Mfn long mfn = tables.frame(number);
      int types = mfn == FrameMapper.NONE ? 0 : graph.typesOf(mfn);
      for (int type = 0; types >>> type != 0; type++) {
        if ((types >>> type & 1) != 0) {
          auditCover(mfn, graph.find(type, ShadowHash.ofTable(mfn)), wrong);
        }
      }
      if (mfn != FrameMapper.NONE && types == 0) {
        wrong.add(String.format("frame 0x%x is out of sync and no table", mfn));
      }
    }
    domain.highLevel().audit(domain, wrong);
  }

  private void auditCover(@Mfn long mfn, int slot, List<String> wrong) {
    for (int index = 0; index < pages.entries(slot); index++) {
      if (pages.entry(slot, index) != 0
          && !tables.covers(pages.kind(slot), mfn, guestIndex(slot, index))) {
        wrong.add(String.format("frame 0x%x: entry %d is not in the snapshot", mfn, index));
      }
    }
  }
}
