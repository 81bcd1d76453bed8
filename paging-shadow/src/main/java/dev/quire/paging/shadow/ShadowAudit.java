// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What must hold of shadows, recomputed from the guest's tables and the p2m: {@code
 * sh_audit_l1_table} and its like, {@code sh_hash_audit}, and all counts.
 */
final class ShadowAudit {
  private final ShadowDomain domain;
  private final ShadowMode[] modes;
  private final ShadowPages pages;
  private final GuestTables guest;
  private final List<String> wrong = new ArrayList<>();
  private final FrameInts mapped = new FrameInts();
  private final FrameInts writable = new FrameInts();
  private final int[] refs;
  private int orphans;

  ShadowAudit(ShadowDomain domain, ShadowMode[] modes) {
    this.domain = domain;
    this.modes = modes;
    this.pages = domain.pages();
    this.guest = domain.guest();
    this.refs = new int[pages.end()];
  }

  List<String> run() {
    for (int slot = 1; slot < pages.end(); slot++) {
      if (pages.exists(slot)) {
        shadow(slot);
      }
    }
    for (int slot = 1; slot < pages.end(); slot++) {
      if (pages.exists(slot)) {
        references(slot);
      }
    }
    hash();
    frames();
    domain.sync().audit(wrong);
    return wrong;
  }

  private void shadow(int slot) {
    ShadowKind kind = pages.kind(slot);
    orphans += pages.isOrphan(slot) ? 1 : 0;
    for (int page = 0; page < kind.pages(); page++) {
      check(pages.slotOf(pages.mfn(slot, page)) == slot, slot, 0, "its frames are not its own");
    }
    for (int index = 0; index < pages.entries(slot); index++) {
      long entry = pages.entry(slot, index);
      if (entry != 0) {
        if (MagicEntry.is(entry)) {
          magic(slot, index, entry);
          continue;
        }
        check(ShadowGraph.isPresent(entry), slot, index, "neither empty nor present");
        if (kind.isLast()) {
          page(slot, index, entry);
        } else {
          table(slot, index, entry);
        }
      }
    }
  }

  /** The guest's entry behind a shadow entry. */
  private long guestEntry(int slot, int index) {
    ShadowKind kind = pages.kind(slot);
    if (kind.isSplinter()) {
      return Propagation.splinterEntry(ShadowHash.protectionKey(pages.key(slot)));
    }
    @Mfn long table = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
    int own = index / kind.entriesPerGuestEntry();
    return domain.staleTables().isOutOfSync(table)
        ? domain.staleTables().entry(kind, table, own)
        : guest.entry(kind, table, own);
  }

  private void rights(int slot, int index, long entry, long own) {
    check((own & PageEntry.P) != 0, slot, index, "present, but the guest's entry is not");
    check((own & PageEntry.A) != 0, slot, index, "present, but the guest's entry has A = 0");
    boolean upper = !pages.kind(slot).isLast() && !domain.propagation().hasUpperRights();
    boolean writable = (entry & PageEntry.RW) != 0 && !upper;
    check(!writable || (own & PageEntry.RW) != 0, slot, index, "writable, the guest's is not");
    check(((entry ^ own) & PageEntry.US) == 0, slot, index, "U/S differs from the guest's");
    check(((entry ^ own) & PageEntry.NX) == 0, slot, index, "NX differs from the guest's");
    check((entry & (PageEntry.G | PageEntry.PS)) == 0, slot, index, "global, or of another size");
  }

  private void magic(int slot, int index, long entry) {
    long own = guestEntry(slot, index);
    check(pages.kind(slot).isLast(), slot, index, "magic above the last level");
    if (!MagicEntry.isDevice(entry)) {
      check(entry == MagicEntry.NOT_PRESENT, slot, index, "magic of no kind");
      check((own & PageEntry.P) == 0, slot, index, "absent, but the guest's entry is present");
      return;
    }
    @Gfn long gfn = MagicEntry.gfn(entry);
    check(gfn == target(slot, index, own), slot, index, "another device");
    check(((entry ^ own) & (PageEntry.RW | PageEntry.US)) == 0, slot, index, "a device's rights");
    boolean device = P2mEntry.type(guest.p2mEntry(gfn)) == P2mType.MMIO_DM;
    check(device, slot, index, "a device, but the p2m has something else");
  }

  /** What the guest's entry behind a last-level shadow entry maps. */
  private @Gfn long target(int slot, int index, long own) {
    return pages.kind(slot).isSplinter()
        ? Addresses.gfn(ShadowHash.frame(pages.key(slot)) + index)
        : guest.target(pages.type(slot), own);
  }

  private void page(int slot, int index, long entry) {
    ShadowKind kind = pages.kind(slot);
    long own = guestEntry(slot, index);
    rights(slot, index, entry, own);
    boolean canWrite = DataFrames.isWritable(entry);
    check(!canWrite || (own & PageEntry.D) != 0, slot, index, "writable, but D = 0");
    @Gfn long gfn = target(slot, index, own);
    check(kind.isSplinter() || guest.isUsable(pages.type(slot), own), slot, index, "reserved bits");
    long target = guest.p2mEntry(gfn);
    @Mfn long mfn = DataFrames.mfn(entry);
    boolean same = P2mEntry.hasFrame(target) && P2mEntry.mfn(target) == mfn;
    check(same, slot, index, "another frame than the p2m has");
    P2mType type = P2mEntry.type(target);
    check(!canWrite || type.isWritable(), slot, index, "writable, but the p2m's type is not");
    boolean locked = domain.graph().isTable(mfn) && !domain.staleTables().isOutOfSync(mfn);
    check(!canWrite || !locked, slot, index, "a table can be written");
    if (domain.data().isCounted(mfn)) {
      mapped.add(mfn, 1);
      writable.add(mfn, canWrite ? 1 : 0);
    }
  }

  private void table(int slot, int index, long entry) {
    int type = pages.type(slot);
    ShadowKind kind = pages.kind(slot);
    long own = guestEntry(slot, index);
    rights(slot, index, entry, own);
    int child = domain.graph().child(entry);
    if (child == ShadowPages.NONE || !pages.exists(child)) {
      check(false, slot, index, "refers to no shadow");
      return;
    }
    refs[child]++;
    int part = index % kind.entriesPerGuestEntry();
    for (int i = index - part; i < index - part + kind.entriesPerGuestEntry(); i++) {
      boolean same = domain.graph().child(pages.entry(slot, i)) == child;
      check(same, slot, i, "only a part of what the guest's entry leads to is mapped");
    }
    boolean rightPage = pages.mfn(child, part) == DataFrames.mfn(entry);
    check(rightPage, slot, index, "refers to another page of the shadow below");
    if (kind.isSplinter()) {
      long first = ShadowHash.frame(pages.key(slot)) + ((long) index << 9);
      boolean fits = ShadowHash.frame(pages.key(child)) == first;
      check(fits, slot, index, "another part of the superpage");
      return;
    }
    check(guest.isUsable(type, own), slot, index, "the guest's entry has reserved bits");
    check(domain.entries().existingChild(type, own) == child, slot, index, "a wrong shadow");
    boolean clean = domain.propagation().hasUpperRights();
    clean &= guest.mapsPage(type, own) && (own & PageEntry.D) == 0;
    check(!clean || (entry & PageEntry.RW) == 0, slot, index, "writable, but D = 0");
  }

  private void references(int slot) {
    int expected = refs[slot] + (pages.isPinned(slot) ? 1 : 0);
    for (ShadowMode mode : modes) {
      expected += mode.usesAsRoot(slot);
    }
    check(expected == pages.refs(slot), slot, 0, "references: " + expected + " are right");
    check(expected > 0, slot, 0, "nothing refers to it");
    long place = pages.parent(slot);
    if (place != ShadowPages.NO_PARENT) {
      int parent = ShadowPages.placeSlot(place);
      int index = ShadowPages.placeIndex(place);
      boolean refers =
          pages.exists(parent) && domain.graph().child(pages.entry(parent, index)) == slot;
      check(refers, slot, 0, "its up-pointer is wrong");
    }
  }

  private void hash() {
    int found = 0;
    for (int bucket = 0; bucket < ShadowHash.BUCKETS; bucket++) {
      for (int slot : domain.hash().bucket(bucket)) {
        found++;
        check(pages.exists(slot), slot, 0, "in the hash, but it is not");
        int right = ShadowHash.bucket(pages.type(slot), pages.key(slot));
        check(right == bucket, slot, 0, "in the wrong bucket");
        boolean one = domain.graph().find(pages.type(slot), pages.key(slot)) == slot;
        check(one, slot, 0, "two shadows of one thing");
        @Mfn long frame = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
        boolean flagged =
            pages.kind(slot).isSplinter()
                || (domain.graph().typesOf(frame) >>> pages.type(slot) & 1) != 0;
        check(flagged, slot, 0, "its frame does not know of it");
      }
    }
    int existing = -orphans;
    for (int type = 0; type < ShadowKind.TYPES; type++) {
      existing += pages.existing(type);
    }
    if (found != existing) {
      wrong.add(existing + " shadows exist, in the hash are " + found);
    }
  }

  private void frames() {
    domain
        .graph()
        .forEachTable(
            (mfn, types) -> {
              for (int type = 0; type < ShadowKind.TYPES; type++) {
                if ((types >>> type & 1) != 0
                    && domain.graph().find(type, ShadowHash.ofTable(mfn)) == ShadowPages.NONE) {
                  wrong.add(String.format("frame 0x%x has a flag without a shadow", mfn));
                }
              }
            });
    DataFrames data = domain.data();
    data.forEachMapped(
        (mfn, count) -> {
          @Mfn long frame = Addresses.mfn(mfn);
          reverse(frame, count);
          if (count != mapped.get(frame) || data.writable(frame) != writable.get(frame)) {
            wrong.add(
                String.format(
                    "frame 0x%x: counted %d mappings, %d writable; there are %d, %d",
                    mfn, count, data.writable(frame), mapped.get(frame), writable.get(frame)));
          }
        });
    mapped.forEach(
        (mfn, count) -> {
          if (data.mapped(Addresses.mfn(mfn)) != count) {
            wrong.add(String.format("frame 0x%x is mapped %d times, unknown", mfn, count));
          }
        });
  }

  /** Every entry is in the chain of its frame, and nothing else is. */
  private void reverse(@Mfn long mfn, int count) {
    ReverseMaps reverse = domain.reverse();
    Set<Long> places = new HashSet<>();
    for (int link = reverse.first(mfn); link != ReverseMaps.NONE; link = reverse.next(link)) {
      int slot = ShadowPages.placeSlot(reverse.place(link));
      int index = ShadowPages.placeIndex(reverse.place(link));
      long entry = pages.exists(slot) ? pages.entry(slot, index) : 0;
      boolean maps = ShadowGraph.isPresent(entry) && DataFrames.mfn(entry) == mfn;
      check(maps && pages.kind(slot).isLast(), slot, index, "in the chain of another frame");
      places.add(reverse.place(link));
    }
    if (reverse.areKept() && places.size() != count) {
      wrong.add(String.format("frame 0x%x: %d of %d mappings known", mfn, places.size(), count));
    }
  }

  private void check(boolean holds, int slot, int index, String what) {
    if (!holds) {
      String type = pages.exists(slot) ? pages.kind(slot).title() : "no";
      long key = ShadowHash.frame(pages.key(slot));
      wrong.add(String.format("%s shadow of 0x%x, entry %d: %s", type, key, index, what));
    }
  }
}
