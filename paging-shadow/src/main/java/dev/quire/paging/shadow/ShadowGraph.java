// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.x86.PageEntry;

/**
 * Who refers to whom: shadow entries to shadows and to data frames, vCPUs and pins to roots. A
 * shadow lives while anything refers to it ({@code sh_get_ref}, {@code sh_put_ref}); entries are
 * set here only, so that no reference is forgotten.
 */
final class ShadowGraph {
  private static final long REDUCED = PageEntry.RW | PageEntry.US;

  private final ShadowPages pages;
  private final ShadowHash hash;
  private final DataFrames data;
  private final StaleTables outOfSync;
  private final ReverseMaps reverse;
  private final HighLevelTables highLevel;
  private final DyingTables dying;
  private final VideoRam video;
  private final ShadowCounts counts;

  /** Whether tables of level 3 are kept too. */
  private boolean keepsLevel3;

  private final PinnedRoots pins = new PinnedRoots();

  /** By machine frame: under which types it has a shadow, a bit each ({@code shadow_flags}). */
  private final FrameInts shadowed = new FrameInts();

  ShadowGraph(
      ShadowPages pages,
      ShadowHash hash,
      DataFrames data,
      StaleTables outOfSync,
      ReverseMaps reverse,
      HighLevelTables highLevel,
      DyingTables dying,
      VideoRam video,
      boolean keepsLevel3,
      ShadowCounts counts) {
    this.dying = dying;
    this.video = video;
    this.keepsLevel3 = keepsLevel3;
    this.highLevel = highLevel;
    this.reverse = reverse;
    this.outOfSync = outOfSync;
    this.pages = pages;
    this.hash = hash;
    this.data = data;
    this.counts = counts;
  }

  // ---- shadows ----

  /** The types under which a frame has a shadow, a bit each; 0 if it is no table. */
  int typesOf(@Mfn long mfn) {
    return shadowed.get(mfn);
  }

  /** Whether a frame is a table that has a shadow. */
  boolean isTable(@Mfn long mfn) {
    return shadowed.get(mfn) != 0;
  }

  /** The shadow of something, or {@link ShadowPages#NONE}. */
  int find(int type, long key) {
    return hash.find(type, key);
  }

  /**
   * Makes an empty shadow, of a table that is in sync and that nothing lets be written any more;
   * the caller refers to it next. Frames are reserved.
   */
  int make(int type, long key) {
    if (!ShadowKind.of(type).isSplinter()) {
      promote(Addresses.mfn(ShadowHash.frame(key)), type);
    }
    int slot = pages.make(type, key);
    hash.add(slot);
    counts.add(ShadowEvent.SHADOWS_MADE);
    return slot;
  }

  private void promote(@Mfn long mfn, int type) {
    int before = shadowed.get(mfn);
    if (data.writable(mfn) != 0) {
      throw new IllegalStateException(
          String.format("frame 0x%x becomes a table while it can be written", mfn));
    }
    if (before == 0) {
      counts.add(ShadowEvent.PROMOTIONS);
      dying.promoted(mfn);
    }
    shadowed.set(mfn, before | 1 << type);
  }

  private void demote(@Mfn long mfn, int type) {
    int left = shadowed.get(mfn) & ~(1 << type);
    shadowed.set(mfn, left);
    if (left == 0) {
      outOfSync.vacate(mfn);
      counts.add(ShadowEvent.DEMOTIONS);
    }
  }

  // ---- references ----

  /** A vCPU, or whoever is about to, refers to a shadow. */
  void get(int slot) {
    pages.addRefs(slot, 1);
  }

  /** A reference ends, and with the last one the shadow. */
  void put(int slot) {
    if (pages.addRefs(slot, -1) == 0) {
      end(slot);
    }
  }

  /** Keeps a root. */
  void pin(int slot) {
    if (pages.isPinned(slot)) {
      pins.use(slot);
      return;
    }
    pages.pinned(slot, true);
    pages.addRefs(slot, 1);
    pins.add(slot);
  }

  /** Keeps a root no longer; it may end with this. */
  void unpin(int slot) {
    pages.pinned(slot, false);
    pins.remove(slot);
    put(slot);
  }

  /**
   * A root is about to be made. As long as roots are few, a guest of four levels is taken for a
   * Linux that has one for each vCPU and switches address spaces by changing its entries ({@code
   * SHOPT_LINUX_L3_TOPLEVEL}), and tables of level 3 are kept as roots are.
   *
   * @param vcpus of the guest
   */
  void anotherRoot(int vcpus) {
    int roots = 0;
    for (int slot = pins.oldest();
        keepsLevel3 && slot != ShadowPages.NONE;
        slot = pins.newer(slot)) {
      roots += pages.kind(slot) == ShadowKind.L4_64 ? 1 : 0;
    }
    if (roots <= 2 * vcpus) {
      return;
    }
    keepsLevel3 = false;
    int next;
    for (int slot = pins.oldest(); slot != ShadowPages.NONE; slot = next) {
      next = pins.newer(slot);
      if (pages.kind(slot) == ShadowKind.L3_64) {
        unpin(slot);
      }
    }
  }

  /** The pinned root that was not used for longest, or {@link ShadowPages#NONE}. */
  int oldestPinned() {
    return pins.oldest();
  }

  private void end(int slot) {
    clear(slot);
    if (!pages.isOrphan(slot)) {
      forget(slot);
    }
    pages.end(slot);
    counts.add(ShadowEvent.SHADOWS_ENDED);
  }

  private void forget(int slot) {
    hash.remove(slot);
    if (!pages.kind(slot).isSplinter()) {
      demote(Addresses.mfn(ShadowHash.frame(pages.key(slot))), pages.type(slot));
    }
  }

  /** Makes a root that vCPUs use the shadow of nothing: its table is the guest's no longer. */
  void orphan(int slot) {
    clear(slot);
    forget(slot);
    pages.orphan(slot);
  }

  /** Empties every entry of a shadow. The caller flushes before anybody relies on it. */
  void clear(int slot) {
    boolean last = pages.kind(slot).isLast();
    for (int index = pages.low(slot); index <= pages.high(slot); index++) {
      if (pages.entry(slot, index) != 0) {
        if (last) {
          setPage(slot, index, 0);
        } else {
          setTable(slot, index, 0);
        }
      }
    }
    pages.unused(slot);
    highLevel.end(slot); // it follows only what the shadow has
  }

  /** Empties every entry of a shadow that programs may use ({@code user_only}). */
  void clearUser(int slot) {
    int each = pages.kind(slot).entriesPerGuestEntry();
    for (int index = 0; index < pages.entries(slot); index += each) {
      if ((pages.entry(slot, index) & PageEntry.US) != 0) {
        unlink(ShadowPages.place(slot, index));
      }
    }
  }

  // ---- entries ----

  /**
   * Sets an entry that maps a data frame, or empties it. No flush follows from it: what the guest
   * takes away it invalidates itself; who takes away for other reasons flushes.
   */
  void setPage(int slot, int index, long entry) {
    long old = pages.entry(slot, index);
    boolean same = ((old ^ entry) & ~PageEntry.D) == 0; // D is the hardware's own
    if (old == entry || same && !MagicEntry.is(old)) {
      return;
    }
    boolean sameFrame = ((old ^ entry) & (PageEntry.P | PageEntry.FRAME)) == 0;
    if (isPresent(entry)) {
      data.take(entry);
    }
    if (isCounted(old) && !sameFrame) {
      reverse.remove(DataFrames.mfn(old), ShadowPages.place(slot, index));
    }
    long left = pages.exchange(slot, index, entry);
    if (video.isOn()) {
      track(ShadowPages.place(slot, index), left, entry);
    }
    if (isCounted(entry) && !sameFrame) {
      reverse.add(DataFrames.mfn(entry), ShadowPages.place(slot, index));
    }
    if (isPresent(old)) {
      data.drop(old);
    }
  }

  private void track(long place, long old, long entry) {
    if (DataFrames.isWritable(entry)) {
      video.mapped(DataFrames.mfn(entry), place);
    }
    if (DataFrames.isWritable(old)) {
      video.unmapping(DataFrames.mfn(old), place, old);
    }
  }

  private boolean isCounted(long entry) {
    return isPresent(entry) && data.isCounted(DataFrames.mfn(entry));
  }

  /**
   * Sets an entry that refers to a shadow, or empties it.
   *
   * @return whether a flush must follow: the entry permitted more before, or led elsewhere
   */
  boolean setTable(int slot, int index, long entry) {
    long old = pages.entry(slot, index);
    if (old == entry) {
      return false;
    }
    int before = child(old);
    int after = child(entry);
    if (before == after) {
      pages.entry(slot, index, entry);
    } else {
      exchange(slot, index, entry, before, after);
    }
    boolean same = ((old ^ entry) & PageEntry.FRAME) == 0;
    boolean keepsRights = (old & ~entry & REDUCED) == 0 && (entry & ~old & PageEntry.NX) == 0;
    return isPresent(old) && !(isPresent(entry) && same && keepsRights);
  }

  /** The new reference is taken before the entry is written, the old one dropped afterwards. */
  private void exchange(int slot, int index, long entry, int before, int after) {
    long place = ShadowPages.place(slot, index);
    if (after != ShadowPages.NONE) {
      pages.addRefs(after, 1);
      if (keepsLevel3 && pages.kind(slot) == ShadowKind.L4_64 && pages.isPinned(slot)) {
        pin(after);
      }
      if (pages.parent(after) == ShadowPages.NO_PARENT) {
        pages.parent(after, place);
      }
    }
    pages.entry(slot, index, entry);
    if (before != ShadowPages.NONE) {
      if (pages.parent(before) == place) {
        pages.parent(before, ShadowPages.NO_PARENT);
      }
      put(before);
    }
  }

  /**
   * Empties all entries that come from the guest entry that the one at {@code place} comes from.
   */
  void unlink(long place) {
    int slot = ShadowPages.placeSlot(place);
    int each = pages.kind(slot).entriesPerGuestEntry();
    int first = ShadowPages.placeIndex(place) & -each;
    for (int part = 0; part < each; part++) {
      setTable(slot, first + part, 0);
    }
  }

  /** The shadow that an entry refers to, or {@link ShadowPages#NONE}. */
  int child(long entry) {
    return isPresent(entry) ? pages.slotOf(DataFrames.mfn(entry)) : ShadowPages.NONE;
  }

  /** Whether the hardware can use an entry. */
  static boolean isPresent(long entry) {
    return (entry & PageEntry.P) != 0 && !MagicEntry.is(entry);
  }

  // ---- for the audit ----

  void forEachTable(FrameInts.Visitor visitor) {
    shadowed.forEach(visitor);
  }
}
