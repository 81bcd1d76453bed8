// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import java.util.List;

/**
 * Lets the guest write last-level tables itself, and brings their shadows up to date where hardware
 * would forget its translations: when the guest loads CR3 or invalidates ({@code sh_unsync}, {@code
 * sh_resync}). One fault then stands for all the writes between two invalidations. Under the
 * domain's lock.
 */
final class OutOfSync implements SyncPolicy {
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

  @Override
  public void paged(boolean everyVcpu) {
    active = everyVcpu && tables.size() > 0;
  }

  // ---- out of sync ----

  /** Only tables of the last level, and of one type. */
  @Override
  public boolean unsync(int vcpu, @Mfn long mfn) {
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

  /** {@code oos_fixup_add}. */
  @Override
  public void mapped(@Mfn long mfn, long place) {
    long before = tables.addFixup(tables.slotOf(mfn), place);
    if (before != place && writeAccess.removeAt(before, mfn)) {
      counts.add(ShadowEvent.FIXUPS_EVICTED);
    }
  }

  /** What programs write are no tables. */
  @Override
  public boolean letsWrite(@Mfn long mfn, boolean byUser) {
    return !byUser && tables.mayWrite(mfn);
  }

  // ---- in sync ----

  /**
   * {@code shadow_set_l2e}; where the entry is a higher one Xen looks no further, and here all goes
   * into sync that could be beneath.
   */
  @Override
  public boolean reaching(int child) {
    ShadowPages pages = domain.pages();
    if (!tables.any() || pages.kind(child).isSplinter()) {
      return false;
    }
    boolean one = pages.kind(child).isLast();
    boolean resynced =
        one ? promoting(Addresses.mfn(ShadowHash.frame(pages.key(child)))) : resyncAll();
    if (resynced) {
      counts.add(ShadowEvent.RESYNCS_REACHED);
    }
    return resynced;
  }

  @Override
  public boolean promoting(@Mfn long mfn) {
    int slot = tables.slotOf(mfn);
    if (slot != OutOfSyncTables.NONE) {
      resync(slot);
    }
    return slot != OutOfSyncTables.NONE;
  }

  /** Brings a table into sync: it can be written no longer, its shadow is right. */
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

  /** While the old tables tell where it is mapped, what this vCPU was let write. */
  @Override
  public void rootsChange(int vcpu) {
    for (int i = 0; i < OutOfSyncTables.PER_VCPU && tables.size() > 0; i++) {
      int slot = vcpu * OutOfSyncTables.PER_VCPU + i;
      if (tables.frame(slot) != FrameMapper.NONE) {
        resync(slot);
      }
    }
  }

  /** Shadows of what the others were let write are brought up to date. */
  @Override
  public void rootsChanged(int vcpu) {
    for (int slot = 0; slot < tables.size(); slot++) {
      boolean other = slot / OutOfSyncTables.PER_VCPU != vcpu;
      if (other && tables.frame(slot) != FrameMapper.NONE) {
        counts.add(ShadowEvent.REFRESHES);
        refresh(slot);
      }
    }
  }

  @Override
  public void modeChanges() {
    resyncAll();
  }

  private boolean resyncAll() {
    boolean any = tables.any();
    for (int slot = 0; tables.any(); slot++) {
      if (tables.frame(slot) != FrameMapper.NONE) {
        resync(slot);
      }
    }
    return any;
  }

  /** Only the entry for the address is forgotten: the next use of it finds what it is now. */
  @Override
  public boolean invalidate(ShadowMode mode, @Gva long linear) {
    long place = mode.placeOf(linear);
    int slot = ShadowPages.placeSlot(place);
    if (place == ShadowPages.NO_PARENT || domain.pages().kind(slot).isSplinter()) {
      return false;
    }
    @Mfn long table = Addresses.mfn(ShadowHash.frame(domain.pages().key(slot)));
    boolean outOfSync = tables.isOutOfSync(table);
    if (outOfSync) {
      graph.setPage(slot, ShadowPages.placeIndex(place), 0);
    }
    return outOfSync;
  }

  /** {@code sh_oos_audit}. */
  @Override
  public void audit(List<String> wrong) {
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
