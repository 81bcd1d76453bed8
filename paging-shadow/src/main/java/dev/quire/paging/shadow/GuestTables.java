// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingRules;

/** The guest's own tables: where they lie, what their entries say under which rules. */
final class GuestTables implements FrameMapper {
  private static final int PROTECTION_KEY_MASK = 15;

  private final PhysicalMemory memory;
  private final FrameSpace frames;
  private final PagingRules[] rules = new PagingRules[ShadowKind.TYPES];

  GuestTables(PhysicalMemory memory, CpuProfile profile, FrameSpace frames) {
    this.memory = memory;
    this.frames = frames;
    for (int type = 0; type < ShadowKind.TYPES; type++) {
      int roles = ShadowKind.roles(type);
      long cr4 = (roles & ShadowKind.ROLE_PSE) != 0 ? Cr4.PSE : 0;
      long efer = (roles & ShadowKind.ROLE_NX) != 0 ? Efer.NXE : 0;
      rules[type] = new PagingRules(ShadowKind.of(type).format(), profile, 0, cr4, efer);
    }
  }

  /** What a guest frame is, as it is now. */
  long p2mEntry(@Gfn long gfn) {
    return frames.entry(gfn);
  }

  /** Tables can lie in memory of the guest's only. */
  @Override
  public @Mfn long toMachine(@Gfn long gfn) {
    long entry = frames.entry(gfn);
    P2mType type = P2mEntry.type(entry);
    boolean memoryOfGuest = P2mEntry.hasFrame(entry) && type.isAnyRam() && type.isReadable();
    return memoryOfGuest ? P2mEntry.mfn(entry) : Addresses.mfn(NONE);
  }

  /** An entry of a guest's table. */
  long entry(ShadowKind kind, @Mfn long table, int index) {
    int bytes = kind.format().entryBytes();
    return memory.load(Addresses.mfnToMaddr(table, (long) index * bytes), bytes);
  }

  /** How the entries of a table are read whose shadow has this type. */
  PagingRules rules(int type) {
    return rules[type];
  }

  /** Whether an entry is present and well formed. */
  boolean isUsable(int type, long entry) {
    return (entry & PageEntry.P) != 0 && !isReserved(type, entry);
  }

  /** Whether a present entry has a bit set that must be zero. */
  boolean isReserved(int type, long entry) {
    int level = ShadowKind.of(type).level();
    return (entry & rules[type].reserved(level, rules[type].mapsPage(entry, level))) != 0;
  }

  /** Whether an entry maps a page. */
  boolean mapsPage(int type, long entry) {
    return rules[type].mapsPage(entry, ShadowKind.of(type).level());
  }

  /** The guest frame that an entry leads to: of the table below, or the first of the page. */
  @Gfn
  long target(int type, long entry) {
    boolean page = mapsPage(type, entry);
    int level = ShadowKind.of(type).level();
    long address = page ? rules[type].frame(entry, level) : rules[type].table(entry);
    return Addresses.gfn(address >>> Addresses.PAGE_SHIFT);
  }

  /** The protection key of an entry that maps a page; none outside long mode. */
  static int protectionKey(ShadowKind kind, long entry) {
    boolean has = kind.format().isLongMode();
    return has ? (int) (entry >>> PageEntry.KEY_SHIFT) & PROTECTION_KEY_MASK : 0;
  }
}
