// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;

/**
 * The entries of the guest's own tables on the way to an address, as they are now ({@code walk_t}).
 * Filled after the walk that judged them, and compared with itself when something may have changed
 * meanwhile. One for each vCPU, reused.
 */
final class GuestPath {
  private final GuestTables guest;
  private final long[] tables = new long[6];
  private final long[] entries = new long[6];
  private @Gva long linear = Addresses.gva(0);
  private ShadowKind top = ShadowKind.L4_64;
  private int roles;
  private int leaf;
  private int bottom;

  GuestPath(GuestTables guest) {
    this.guest = guest;
  }

  /**
   * Reads the entries from the root down.
   *
   * @param kind of the root
   * @param ofRoles of the vCPU
   * @param root the root table; for PAE the one that the PDPTE register refers to
   * @return whether they lead to a page, by well-formed entries whose A bit is set: what a walk
   *     that succeeded left behind
   */
  boolean read(ShadowKind kind, int ofRoles, @Mfn long root, @Gva long address) {
    linear = address;
    top = kind;
    roles = ofRoles;
    @Mfn long table = root;
    ShadowKind at = kind;
    bottom = kind.level() + 1;
    while (table != FrameMapper.NONE) {
      int level = at.level();
      int type = at.type(ofRoles);
      long entry = guest.entry(at, table, index(level));
      bottom = level;
      tables[level] = table;
      entries[level] = entry;
      if (!guest.isUsable(type, entry) || (entry & PageEntry.A) == 0) {
        return false;
      }
      ShadowKind below = at.table();
      if (guest.mapsPage(type, entry) || below == null) {
        leaf = level;
        return true;
      }
      table = guest.toMachine(guest.target(type, entry));
      at = below;
    }
    return false;
  }

  /** Whether every entry still is what was read. */
  boolean isUnchanged() {
    ShadowKind at = top;
    for (int level = at.level(); level >= leaf; level--) {
      if (guest.entry(at, table(level), index(level)) != entries[level]) {
        return false;
      }
      ShadowKind below = at.table();
      at = below == null ? at : below;
    }
    return true;
  }

  /** The address that it leads to. */
  @Gva
  long linear() {
    return linear;
  }

  /** Index of the entry at a level. */
  int index(int level) {
    PagingFormat format = top.format();
    return format.index(linear, level);
  }

  /** The level of the root table. */
  int top() {
    return top.level();
  }

  /** The level of the entry that maps the page. */
  int leaf() {
    return leaf;
  }

  /** The lowest level that an entry was read of, even if nothing leads on from it. */
  int bottom() {
    return bottom;
  }

  /** Which type the shadow of the table at a level has. */
  int type(int level) {
    return kind(level).type(roles);
  }

  /** The kind of the table at a level. */
  ShadowKind kind(int level) {
    ShadowKind at = top;
    while (at.level() > level) {
      ShadowKind below = at.table();
      at = below == null ? at : below;
    }
    return at;
  }

  /** The table at a level, from {@link #top} to {@link #leaf}. */
  @Mfn
  long table(int level) {
    return Addresses.mfn(tables[level]);
  }

  /** The entry at such a level. */
  long entry(int level) {
    return entries[level];
  }

  /** The guest frame, of 4 KiB, that the address lies in. */
  @Gfn
  long gfn() {
    long within = linear & (1L << top.format().shift(leaf)) - 1;
    return Addresses.advance(
        guest.target(type(leaf), entries[leaf]), within >>> Addresses.PAGE_SHIFT);
  }
}
