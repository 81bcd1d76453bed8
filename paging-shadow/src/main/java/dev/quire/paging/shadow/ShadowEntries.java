// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;

/**
 * Makes shadow entries from guest entries: which shadow is below, and what follows for the entry.
 */
final class ShadowEntries {
  private static final long RIGHTS = PageEntry.RW | PageEntry.US;

  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final GuestTables guest;
  private final Propagation propagation;
  private final StaleTables outOfSync;
  private final HighLevelTables highLevel;
  private final ShadowDomain domain;

  ShadowEntries(
      ShadowDomain domain,
      ShadowPages pages,
      ShadowGraph graph,
      GuestTables guest,
      Propagation propagation,
      StaleTables outOfSync,
      HighLevelTables highLevel) {
    this.domain = domain;
    this.highLevel = highLevel;
    this.outOfSync = outOfSync;
    this.pages = pages;
    this.graph = graph;
    this.guest = guest;
    this.propagation = propagation;
  }

  /**
   * Makes the shadow of one guest entry again, as the guest's table has it now ({@code
   * validate_gl1e} and its like). Makes no shadows: what is below may have one already.
   *
   * @return whether a flush must follow
   */
  boolean revalidate(int slot, int guestIndex) {
    ShadowKind kind = pages.kind(slot);
    int type = pages.type(slot);
    @Mfn long table = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
    long entry = guest.entry(kind, table, guestIndex);
    outOfSync.entry(kind, table, guestIndex, entry);
    if (kind.isLast()) {
      graph.setPage(slot, guestIndex, propagation.page(type, entry));
      return false;
    }
    int child = guest.isUsable(type, entry) ? existingChild(type, entry) : ShadowPages.NONE;
    if (reaches(slot, guestIndex, entry, child) && domain.sync().reaching(child)) {
      child = existingChild(type, entry);
    }
    return refer(slot, guestIndex, entry, child);
  }

  /**
   * Whether a shadow entry that is made from a guest entry leads to a shadow that it did not lead
   * to before, or permits more.
   *
   * @param slot {@link ShadowPages#NONE} for a shadow that is not made yet
   * @param child {@link ShadowPages#NONE} if there is none
   */
  boolean reaches(int slot, int guestIndex, long entry, int child) {
    if (child == ShadowPages.NONE || (entry & PageEntry.A) == 0) {
      return false;
    }
    if (slot == ShadowPages.NONE) {
      return true;
    }
    long before = pages.entry(slot, guestIndex * pages.kind(slot).entriesPerGuestEntry());
    long more = entry & ~before & RIGHTS | before & ~entry & PageEntry.NX;
    return graph.child(before) != child || more != 0;
  }

  /** The shadow of what a usable entry leads to, if there is one, or {@link ShadowPages#NONE}. */
  int existingChild(int type, long entry) {
    int childType = childType(type, entry);
    if (childType < 0) {
      return ShadowPages.NONE;
    }
    @Gfn long gfn = guest.target(type, entry);
    if (guest.mapsPage(type, entry)) {
      int key = GuestTables.protectionKey(ShadowKind.of(type), entry);
      return graph.find(childType, ShadowHash.ofSplinter(gfn, key));
    }
    @Mfn long mfn = guest.toMachine(gfn);
    boolean there = mfn != FrameMapper.NONE;
    return there ? graph.find(childType, ShadowHash.ofTable(mfn)) : ShadowPages.NONE;
  }

  /** The type of the shadow that an entry of a shadow of {@code type} refers to; -1 if none may. */
  int childType(int type, long entry) {
    ShadowKind kind = ShadowKind.of(type);
    ShadowKind child = guest.mapsPage(type, entry) ? kind.splinters() : kind.table();
    return child == null ? -1 : child.type(allRoles(type));
  }

  /** A type's own role stands for all: each format knows one only. */
  private static int allRoles(int type) {
    return (type & 1) != 0 ? ShadowKind.ROLE_PSE | ShadowKind.ROLE_NX : 0;
  }

  /**
   * Lets the entry refer to the shadow of what is below.
   *
   * @param entry the guest's; usable if there is a child
   * @param child a shadow, or {@link ShadowPages#NONE}
   * @return whether a flush must follow
   */
  boolean refer(int slot, int guestIndex, long entry, int child) {
    int each = pages.kind(slot).entriesPerGuestEntry();
    boolean mapsPage = guest.mapsPage(pages.type(slot), entry);
    boolean flush = false;
    for (int part = 0; part < each; part++) {
      long shadow =
          child == ShadowPages.NONE ? 0 : propagation.table(entry, mapsPage, address(child, part));
      flush |= graph.setTable(slot, guestIndex * each + part, shadow);
    }
    if (pages.kind(slot).table() != null && pages.kind(slot).level() == 2) {
      boolean shadowed = pages.entry(slot, guestIndex * each) != 0; // snapshots cover such only
      boolean leads = shadowed && !mapsPage;
      long table = leads ? ShadowHash.frame(pages.key(child)) : FrameMapper.NONE;
      highLevel.set(slot, guestIndex, Addresses.mfn(table));
    }
    return flush;
  }

  private @Maddr long address(int child, int page) {
    return Addresses.mfnToMaddr(pages.mfn(child, page));
  }
}
