// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.x86.PageEntry;

/**
 * From a guest entry to a shadow entry ({@code _sh_propagate}), in the order of the original. A
 * shadow entry never permits what the guest's does not, and not yet what would have to be noted
 * first: A and D in the guest's entry, a write in the dirty log.
 *
 * <p>G, the memory type and the bits that software may use are not carried over. Not in the
 * original: protection keys of pages are, and an entry with reserved bits is as good as none, so
 * that the guest gets the fault that it would get.
 */
final class Propagation {
  /** Nobody asked for this entry just now ({@code ft_prefetch}). */
  static final int PREFETCH = 0;

  /** It is made for a read or fetch. */
  static final int READ = 1;

  /** It is made for a write. */
  static final int WRITE = 2;

  private static final long CARRIED =
      PageEntry.P | PageEntry.A | PageEntry.US | PageEntry.RW | PageEntry.NX;
  private static final long KEY = PageEntry.KEY_MASK << PageEntry.KEY_SHIFT;

  /** What a guest superpage's small pages would say: all rights are decided above. */
  private static final long PERMISSIVE =
      PageEntry.P | PageEntry.A | PageEntry.D | PageEntry.US | PageEntry.RW;

  /** By ordinal of a p2m type: hardware may read, and write. */
  private static final boolean[] MAPPED = new boolean[16];

  private static final boolean[] WRITABLE = new boolean[16];

  static {
    for (P2mType type : P2mType.values()) {
      boolean memory = type.isAnyRam() || type == P2mType.MMIO_DIRECT;
      MAPPED[type.ordinal()] = memory && type.isReadable();
      WRITABLE[type.ordinal()] = type.isWritable() && !type.is(Group.READ_ONLY);
    }
  }

  private final GuestTables guest;
  private final ShadowGraph graph;
  private final StaleTables outOfSync;
  private final ShadowDomain domain;
  private final ShadowCounts counts;
  private final boolean upperRights;

  /**
   * In a table out of sync an entry could become present unseen; and tables of the hypervisor's own
   * that PV guests use too, as that of the M2P, grow without a word.
   */
  private final boolean marksAbsent;

  private final boolean marksDevices;
  private boolean hasDevices;

  Propagation(
      ShadowDomain domain,
      GuestTables guest,
      ShadowGraph graph,
      StaleTables outOfSync,
      ShadowCounts counts) {
    ShadowOptions options = domain.options();
    upperRights = options.upperRights();
    marksDevices = !options.isClassic() && MagicEntry.isPossible(domain.profile());
    boolean inStep = options.sync() == ShadowOptions.Sync.NEVER;
    marksAbsent = marksDevices && inStep && domain.frames().isTranslated();
    this.outOfSync = outOfSync;
    this.domain = domain;
    this.guest = guest;
    this.graph = graph;
    this.counts = counts;
  }

  /** What an entry of a splintered superpage would be if the guest had it. */
  static long splinterEntry(int protectionKey) {
    return PERMISSIVE | (long) protectionKey << PageEntry.KEY_SHIFT;
  }

  /** Whether entries above the last level are read-only where the guest's are. */
  boolean hasUpperRights() {
    return upperRights;
  }

  /** The shadow of a guest's last-level entry that nobody asked for. */
  long page(int type, long entry) {
    if ((entry & PageEntry.P) == 0) {
      counts.add(PropagationRule.NOT_PRESENT);
      return marksAbsent ? MagicEntry.NOT_PRESENT : 0;
    }
    if (guest.isReserved(type, entry)) {
      return refused(PropagationRule.RESERVED_BIT);
    }
    @Gfn long gfn = guest.target(type, entry);
    return page(ShadowKind.of(type), entry, gfn, guest.p2mEntry(gfn), PREFETCH);
  }

  /**
   * The shadow of an entry that maps a small page.
   *
   * @param entry the guest's, present and well formed, or a {@link #splinterEntry}
   * @param gfn what it maps
   * @param p2mEntry what that is
   * @param fetch {@link #PREFETCH}, {@link #READ} or {@link #WRITE}
   */
  long page(ShadowKind kind, long entry, @Gfn long gfn, long p2mEntry, int fetch) {
    P2mType target = P2mEntry.type(p2mEntry);
    if (target == P2mType.MMIO_DM) {
      return device(gfn, entry);
    }
    if (!MAPPED[target.ordinal()] || !P2mEntry.hasFrame(p2mEntry)) {
      return refused(PropagationRule.NOT_MEMORY);
    }
    if ((entry & PageEntry.A) == 0) {
      return refused(PropagationRule.NOT_ACCESSED);
    }
    @Mfn long mfn = P2mEntry.mfn(p2mEntry);
    long key = kind.format().isLongMode() ? KEY : 0;
    long shadow = entry & (CARRIED | key) | Addresses.mfnToMaddr(mfn);
    if ((shadow & PageEntry.RW) != 0) {
      PropagationRule rule = readOnlyRule(entry, gfn, mfn, target, fetch);
      shadow = rule == null ? shadow : withoutWrite(shadow, rule);
    }
    return logged(shadow, gfn, target, fetch);
  }

  private long device(@Gfn long gfn, long entry) {
    counts.add(PropagationRule.DEVICE);
    if (!marksDevices || !MagicEntry.fits(gfn)) {
      return 0;
    }
    hasDevices = true;
    return MagicEntry.device(gfn, entry);
  }

  /** Whether entries may say that a device lies where by now memory does; answered once. */
  boolean mayHaveDevices() {
    boolean may = hasDevices;
    hasDevices = false;
    return may;
  }

  private @org.jspecify.annotations.Nullable PropagationRule readOnlyRule(
      long entry, @Gfn long gfn, @Mfn long mfn, P2mType target, int fetch) {
    if ((entry & PageEntry.D) == 0) {
      return PropagationRule.NOT_DIRTY;
    }
    if (domain.video().isIdle(gfn)) {
      if (fetch != WRITE) {
        return PropagationRule.VIDEO_IDLE;
      }
      domain.video().wrote(gfn);
    }
    if (!WRITABLE[target.ordinal()]) {
      return PropagationRule.READ_ONLY_TYPE;
    }
    boolean written = fetch == WRITE && outOfSync.mayWrite(mfn);
    return graph.isTable(mfn) && !written ? PropagationRule.TABLE : null;
  }

  private long logged(long shadow, @Gfn long gfn, P2mType target, int fetch) {
    if (!domain.isLogging() || target == P2mType.MMIO_DIRECT) {
      return shadow;
    }
    if (fetch == WRITE) {
      domain.dirtied(gfn);
      return shadow;
    }
    boolean writable = (shadow & PageEntry.RW) != 0;
    return writable ? withoutWrite(shadow, PropagationRule.LOG_DIRTY) : shadow;
  }

  /**
   * The shadow of an entry that refers to a table or maps a superpage.
   *
   * @param entry the guest's, present and well formed
   * @param mapsPage whether it maps a superpage
   * @param child where the shadow of what is below lies, 0 if there is none
   */
  long table(long entry, boolean mapsPage, @Maddr long child) {
    if ((entry & PageEntry.A) == 0) {
      return refused(PropagationRule.NOT_ACCESSED);
    }
    if (child == 0) {
      return refused(PropagationRule.NO_SHADOW);
    }
    long shadow = entry & CARRIED | PageEntry.A | PageEntry.D | child;
    if (!upperRights) {
      return shadow | PageEntry.RW;
    }
    boolean clean = mapsPage && (entry & PageEntry.D) == 0 && (entry & PageEntry.RW) != 0;
    return clean ? withoutWrite(shadow, PropagationRule.NOT_DIRTY) : shadow;
  }

  private long refused(PropagationRule rule) {
    counts.add(rule);
    return 0;
  }

  private long withoutWrite(long shadow, PropagationRule rule) {
    counts.add(rule);
    return shadow & ~PageEntry.RW;
  }
}
