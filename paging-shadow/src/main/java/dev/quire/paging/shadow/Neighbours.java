// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;

/**
 * Makes last-level entries that nobody asked for: neighbours of one that was used, which the
 * guest's tables permit already, are likely to be used next.
 */
final class Neighbours {
  /** How far after each fault ({@code PREFETCH_DISTANCE}). */
  private static final int DISTANCE = 32;

  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final GuestTables guest;
  private final Propagation propagation;
  private final StaleTables staleTables;
  private final ShadowCounts counts;

  Neighbours(ShadowDomain domain) {
    pages = domain.pages();
    graph = domain.graph();
    guest = domain.guest();
    propagation = domain.propagation();
    staleTables = domain.staleTables();
    counts = domain.counts();
  }

  /** After a fault: those behind it that are empty. */
  void after(GuestPath path, int slot, int index) {
    int end = Math.min(index + DISTANCE, (index | PhysicalMemory.FRAME_LONGS - 1) + 1);
    for (int at = index + 1; at < end; at++) {
      if (pages.entry(slot, at) == 0) {
        make(path, slot, at);
      }
    }
  }

  /** In a table that was just made: those on both sides, up to the first that stays empty. */
  void around(GuestPath path, int slot, int index) {
    for (int at = index + 1; at < pages.entries(slot) && make(path, slot, at); at++) {}
    for (int at = index - 1; at >= 0 && make(path, slot, at); at--) {}
  }

  private boolean make(GuestPath path, int slot, int at) {
    long shadow = pages.kind(slot).isSplinter() ? splinterPage(path, slot, at) : ownPage(slot, at);
    if (shadow != 0) {
      graph.setPage(slot, at, shadow);
      counts.add(ShadowEvent.PREFETCHED);
    }
    return shadow != 0;
  }

  private long splinterPage(GuestPath path, int slot, int at) {
    @Gfn long gfn = Addresses.gfn(ShadowHash.frame(pages.key(slot)) + at);
    long target = guest.p2mEntry(gfn);
    long entry = guestEntry(path, slot);
    return propagation.page(pages.kind(slot), entry, gfn, target, Propagation.PREFETCH);
  }

  private long ownPage(int slot, int at) {
    @Mfn long table = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
    long entry = guest.entry(pages.kind(slot), table, at);
    staleTables.entry(pages.kind(slot), table, at, entry);
    return propagation.page(pages.type(slot), entry);
  }

  /** The guest entry that stands for a last-level shadow's: its own, or what a superpage makes. */
  long guestEntry(GuestPath path, int slot) {
    if (!pages.kind(slot).isSplinter()) {
      return path.entry(1);
    }
    long entry = Propagation.splinterEntry(ShadowHash.protectionKey(pages.key(slot)));
    boolean above = propagation.hasUpperRights();
    long rights = PageEntry.RW | PageEntry.D;
    return above ? entry : entry & ~rights | path.entry(path.leaf()) & rights;
  }
}
