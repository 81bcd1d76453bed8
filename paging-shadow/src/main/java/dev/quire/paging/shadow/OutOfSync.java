// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import java.util.List;

/**
 * Lets the guest write last-level tables itself, and brings their shadows up to date where hardware
 * would forget its translations: when the guest loads CR3 or invalidates ({@code sh_unsync}, {@code
 * sh_resync}). One fault then stands for all the writes between two invalidations. Under the
 * domain's lock.
 */
final class OutOfSync {
  private final OutOfSyncTables tables;
  private final ShadowDomain domain;
  private final ShadowGraph graph;
  private final ShadowEntries entries;
  private final WriteAccess writeAccess;
  private final ShadowCounts counts;
  private boolean active;

  OutOfSync(OutOfSyncTables tables, ShadowDomain domain) {
    this.tables = tables;
    this.domain = domain;
    graph = domain.graph();
    entries = domain.entries();
    writeAccess = domain.writeAccess();
    counts = domain.counts();
  }

  /** Whether tables may be out of sync: only while every vCPU has paging on. */
  void active(boolean value) {
    active = value && tables.size() > 0;
  }

  boolean isActive() {
    return active;
  }

  // ---- out of sync ----

  /**
   * Lets a table be written, if it is the shadow's kind of table: of the last level, and of one
   * type only.
   *
   * @param vcpu the number of the one that is about to write
   * @return whether it is out of sync afterwards
   */
  boolean unsync(int vcpu, @Mfn long mfn) {
    int types = graph.typesOf(mfn);
    if (tables.isOutOfSync(mfn)) {
      return true;
    }
    if (!active || Integer.bitCount(types) != 1 || !kindOf(types).isLast()) {
      return false;
    }
    counts.add(ShadowEvent.UNSYNCS);
    int slot = OutOfSyncTables.home(vcpu, mfn);
    @Mfn long occupant = tables.frame(slot);
    if (occupant != FrameMapper.NONE) {
      int next = OutOfSyncTables.after(slot);
      boolean atHome = OutOfSyncTables.home(vcpu, occupant) == slot;
      evict(atHome ? next : slot);
      if (atHome) {
        tables.move(slot, next);
      }
    }
    tables.occupy(slot, mfn);
    return true;
  }

  private void evict(int slot) {
    if (tables.frame(slot) != FrameMapper.NONE) {
      counts.add(ShadowEvent.RESYNCS_FOR_ROOM);
      resync(slot);
    }
  }

  private static ShadowKind kindOf(int types) {
    return ShadowKind.of(Integer.numberOfTrailingZeros(types));
  }

  /** A shadow entry lets a table be written that is out of sync ({@code oos_fixup_add}). */
  void mapped(@Mfn long mfn, long place) {
    long before = tables.addFixup(tables.slotOf(mfn), place);
    if (before != place && writeAccess.removeAt(before, mfn)) {
      counts.add(ShadowEvent.FIXUPS_EVICTED);
    }
  }

  // ---- in sync ----

  /** Brings a table into sync, if it is not: it can be written no longer, its shadow is right. */
  void resync(@Mfn long mfn) {
    int slot = tables.slotOf(mfn);
    if (slot != OutOfSyncTables.NONE) {
      resync(slot);
    }
  }

  private void resync(int slot) {
    counts.add(ShadowEvent.RESYNCS);
    @Mfn long mfn = tables.frame(slot);
    tables.close(slot);
    for (int i = 0; i < OutOfSyncTables.fixups(); i++) {
      if (writeAccess.removeAt(tables.fixup(slot, i), mfn)) {
        counts.add(ShadowEvent.WRITABLE_BY_FIXUP);
      }
    }
    if (writeAccess.remove(mfn, 1, null)) {
      domain.flush(); // before the table is read, so that no write comes after
    }
    refresh(slot);
    tables.vacate(mfn);
  }

  /** Makes the shadow entries again whose guest entries changed; the table stays out of sync. */
  private void refresh(int slot) {
    @Mfn long mfn = tables.frame(slot);
    int type = Integer.numberOfTrailingZeros(graph.typesOf(mfn));
    ShadowKind kind = ShadowKind.of(type);
    int shadow = graph.find(type, ShadowHash.ofTable(mfn));
    int each = Long.BYTES / kind.format().entryBytes();
    int quadword = tables.nextDifference(slot, 0);
    while (quadword != OutOfSyncTables.NONE) {
      for (int index = quadword * each; index < (quadword + 1) * each; index++) {
        refresh(shadow, kind, mfn, index);
      }
      quadword = tables.nextDifference(slot, quadword + 1);
    }
  }

  private void refresh(int shadow, ShadowKind kind, @Mfn long mfn, int index) {
    if (domain.guest().entry(kind, mfn, index) != tables.entry(kind, mfn, index)) {
      counts.add(ShadowEvent.RESYNCED_ENTRIES);
      entries.revalidate(shadow, index);
    }
  }

  /** A vCPU's translations are void: what it let be written is brought into sync. */
  void resyncOwn(int vcpu) {
    for (int i = 0; i < OutOfSyncTables.PER_VCPU && tables.size() > 0; i++) {
      int slot = vcpu * OutOfSyncTables.PER_VCPU + i;
      if (tables.frame(slot) != FrameMapper.NONE) {
        resync(slot);
      }
    }
  }

  /** The same: shadows of what the others let be written are brought up to date. */
  void refreshOthers(int vcpu) {
    for (int slot = 0; slot < tables.size(); slot++) {
      boolean other = slot / OutOfSyncTables.PER_VCPU != vcpu;
      if (other && tables.frame(slot) != FrameMapper.NONE) {
        counts.add(ShadowEvent.REFRESHES);
        refresh(slot);
      }
    }
  }

  /** Everything, since tables may be read in another way from now on. */
  void resyncAll() {
    for (int slot = 0; slot < tables.size(); slot++) {
      if (tables.frame(slot) != FrameMapper.NONE) {
        resync(slot);
      }
    }
  }

  /** What does not hold of the slots ({@code sh_oos_audit}). */
  void audit(List<String> wrong) {
    for (int slot = 0; slot < tables.size(); slot++) {
      @Mfn long mfn = tables.frame(slot);
      if (mfn != FrameMapper.NONE) {
        int types = graph.typesOf(mfn);
        int home = OutOfSyncTables.home(slot / OutOfSyncTables.PER_VCPU, mfn);
        boolean place = slot == home || slot == OutOfSyncTables.after(home);
        boolean holds =
            active
                && place
                && tables.slotOf(mfn) == slot
                && tables.mayWrite(mfn)
                && Integer.bitCount(types) == 1
                && kindOf(types).isLast();
        if (!holds) {
          wrong.add(String.format("frame 0x%x, of types 0x%x, cannot be out of sync", mfn, types));
        }
      }
    }
  }
}
