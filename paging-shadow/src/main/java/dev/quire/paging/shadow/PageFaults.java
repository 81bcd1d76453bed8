// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Translation;

/**
 * A page fault that the hardware took on shadow tables ({@code sh_page_fault}). The guest's own
 * tables are walked, as the hardware would have walked them; if that fails, the fault is the
 * guest's. Otherwise the shadow is made to permit what the guest's tables permit; where it must
 * not, the operation is to be done in the hardware's place.
 */
final class PageFaults {
  /** What a fault means. */
  enum Answer {
    /** The hardware can go on. */
    FIXED(ShadowEvent.FIXED),
    /** The guest has to handle it; the fault is the mode's {@link ShadowMode#fault}. */
    INJECT(ShadowEvent.INJECTED),
    /** The operation writes a table. */
    EMULATE_TABLE_WRITE(ShadowEvent.EMULATED_TABLE_WRITES),
    /** The operation writes what CR0.WP = 0 lets the guest write. */
    EMULATE_WP(ShadowEvent.EMULATED_WP),
    /** The operation is a device's. */
    EMULATE_MMIO(ShadowEvent.EMULATED_MMIO),
    /** The operation writes what is only read. */
    EMULATE_READ_ONLY(ShadowEvent.EMULATED_READ_ONLY),
    /** There is no memory for shadows, though all but what this needs is given up. */
    NO_ROOM(ShadowEvent.UNHOOKS),
    /** The guest's tables changed meanwhile. */
    AGAIN(ShadowEvent.REWALKS);

    private final ShadowEvent event;

    Answer(ShadowEvent event) {
      this.event = event;
    }

    /** What is counted. */
    ShadowEvent event() {
      return event;
    }
  }

  /** Shadows that one fault may make: one a level below the root, of two pages at most. */
  private static final int ROOM = 4;

  /** So often other CPUs may change tables while they are looked at. */
  private static final int MOST_TRIES = 10_000;

  private final ShadowDomain domain;
  private final FrameSpace frames;
  private final ShadowPages pages;
  private final ShadowGraph graph;
  private final ShadowEntries entries;
  private final Propagation propagation;
  private final WriteAccess writeAccess;
  private final Unshadowing unshadowing;
  private final SyncPolicy sync;
  private final StaleTables staleTables;
  private final Neighbours neighbours;
  private final ShadowCounts counts;
  private final int room;

  /** Whether the last {@link #descend} made the last-level shadow. */
  private boolean made;

  PageFaults(ShadowDomain domain, FrameSpace frames) {
    this.domain = domain;
    this.frames = frames;
    this.pages = domain.pages();
    this.graph = domain.graph();
    this.entries = domain.entries();
    this.propagation = domain.propagation();
    this.writeAccess = domain.writeAccess();
    this.unshadowing = domain.unshadowing();
    this.sync = domain.sync();
    this.staleTables = domain.staleTables();
    this.neighbours = new Neighbours(domain);
    this.counts = domain.counts();
    this.room = room(domain.options());
  }

  /** Frames that one fault may take: its shadows, and the snapshot of a table it writes. */
  static int room(ShadowOptions options) {
    return options.isClassic() ? ROOM + 1 : ROOM;
  }

  /**
   * Handles a fault.
   *
   * @param linear canonical linear address
   * @param access flags of {@link Access}, as the guest's rules see it
   */
  Answer handle(ShadowMode mode, @Gva long linear, long access) {
    count(ShadowEvent.FAULTS);
    for (int tries = 0; tries < MOST_TRIES; tries++) {
      Answer answer = handleOnce(mode, linear, access);
      count(answer.event());
      if (answer != Answer.AGAIN) {
        return answer;
      }
    }
    throw new IllegalStateException(
        String.format("the tables for 0x%x never stay as they were walked", linear));
  }

  private Answer handleOnce(ShadowMode mode, @Gva long linear, long access) {
    long found = mode.walk(linear, access);
    if (Translation.isFault(found)) {
      mode.fault(found);
      return Answer.INJECT;
    }
    return translated(mode, linear, access, found);
  }

  private void count(ShadowEvent event) {
    domain.lock();
    counts.add(event);
    domain.unlock();
  }

  private Answer translated(ShadowMode mode, @Gva long linear, long access, long found) {
    @Gfn long gfn = mode.gfn(found, linear);
    boolean write = (access & Access.WRITE) != 0;
    long target = frames.hold(gfn, write);
    try {
      domain.lock();
      try {
        return locked(mode, linear, access, found, gfn, target);
      } finally {
        domain.unlock();
      }
    } finally {
      frames.release(gfn);
    }
  }

  private Answer locked(
      ShadowMode mode, @Gva long linear, long access, long found, @Gfn long gfn, long target) {
    if (!unshadowing.makeRoom(room)) {
      return Answer.NO_ROOM;
    }
    GuestPath path = mode.path();
    int root = mode.rootFor(linear);
    if (root == ShadowPages.NONE || pages.isOrphan(root)) {
      return mode.loadRoots() ? Answer.AGAIN : Answer.NO_ROOM;
    }
    if (!mode.readPath(linear)
        || path.gfn() != gfn
        || sync.catchUp(path)
        || staleTables.any() && reaches(path, root)) {
      return Answer.AGAIN;
    }
    if (protect(mode, path)) {
      domain.flush();
      if (!path.isUnchanged()) {
        return Answer.AGAIN;
      }
    }
    noteAccessedDirty(path);
    int fetch = (access & Access.WRITE) != 0 ? Propagation.WRITE : Propagation.READ;
    long place = descend(path, root, gfn);
    if (fetch == Propagation.WRITE && letWrite(mode, path, target)) {
      return Answer.AGAIN;
    }
    int slot = ShadowPages.placeSlot(place);
    int index = ShadowPages.placeIndex(place);
    long entry = neighbours.guestEntry(path, slot);
    long shadow = propagation.page(pages.kind(slot), entry, gfn, target, fetch);
    graph.setPage(slot, index, shadow);
    follow(path, place, shadow);
    if (!domain.options().isClassic()) {
      neighbours.after(path, slot, index);
    } else if (made) {
      neighbours.around(path, slot, index);
    }
    return answer(mode, access, found, target, shadow);
  }

  /**
   * Lets the guest write a last-level table itself, if the target is one.
   *
   * @return whether another table was brought into sync for it, and the path is not what it was
   */
  private boolean letWrite(ShadowMode mode, GuestPath path, long target) {
    @Mfn long mfn = P2mEntry.mfn(target);
    return P2mEntry.hasFrame(target)
        && graph.isTable(mfn)
        && sync.unsync(mode.vcpu().number(), mfn)
        && !path.isUnchanged();
  }

  /** What the shadow has of a table out of sync is noted, and where such a table can be written. */
  private void follow(GuestPath path, long place, long shadow) {
    for (int level = path.top(); level >= path.leaf(); level--) {
      if (staleTables.isOutOfSync(path.table(level))) {
        staleTables.entry(
            path.kind(level), path.table(level), path.index(level), path.entry(level));
      }
    }
    if (DataFrames.isWritable(shadow) && staleTables.mayWrite(DataFrames.mfn(shadow))) {
      sync.mapped(DataFrames.mfn(shadow), place);
    }
  }

  /** Takes away the right to write the tables of the path; answers whether a flush must follow. */
  private boolean protect(ShadowMode mode, GuestPath path) {
    boolean flush = false;
    for (int level = path.top(); level >= path.leaf(); level--) {
      @Mfn long table = path.table(level);
      boolean may = staleTables.isOutOfSync(table) || !graph.isTable(table);
      if (may && graph.find(path.type(level), ShadowHash.ofTable(table)) == ShadowPages.NONE) {
        flush |= sync.promoting(table); // it becomes a table, or one of another kind too
      }
      if (!graph.isTable(table)) {
        flush |= writeAccess.remove(table, level, mode);
      }
    }
    return flush;
  }

  /** The walk may have set A and D: its tables were written. */
  private void noteAccessedDirty(GuestPath path) {
    for (int level = path.top(); domain.isLogging() && level >= path.leaf(); level--) {
      @Gfn long gfn = domain.gfnOf(path.table(level));
      if (gfn != FrameMapper.NONE) { // the table of a guest without paging is nowhere
        domain.dirtied(gfn);
      }
    }
  }

  // ---- down to the shadow entry ----

  /**
   * Whether tables were brought into sync since the shadow entries on the way are about to lead to
   * what is there already. A superpage has no table.
   */
  private boolean reaches(GuestPath path, int root) {
    int slot = root;
    for (int level = path.top(); level > path.leaf(); level--) {
      @Mfn long below = path.table(level - 1);
      int child = graph.find(path.type(level - 1), ShadowHash.ofTable(below));
      if (entries.reaches(slot, path.index(level), path.entry(level), child)
          && sync.reaching(child)) {
        return true;
      }
      slot = child;
    }
    return false;
  }

  /** Makes the shadows on the way that are missing; answers the place of the last-level entry. */
  private long descend(GuestPath path, int root, @Gfn long gfn) {
    int slot = root;
    boolean flush = false;
    made = false;
    for (int level = path.top(); level > Math.max(path.leaf(), 1); level--) {
      slot = child(slot, path.index(level), path.entry(level), 0);
      flush |= lastRefer;
    }
    for (int level = path.leaf(); level > 1; level--) {
      boolean own = level == path.leaf();
      ShadowKind kind = pages.kind(slot);
      int index = own ? path.index(level) : (int) (gfn >>> 9) & 511;
      long entry = own ? path.entry(level) : neighbours.guestEntry(path, slot);
      long first = gfn & -(1L << kind.format().shift(level) - Addresses.PAGE_SHIFT);
      slot = child(slot, index, entry, first + 1);
      flush |= lastRefer;
    }
    if (flush) {
      domain.flush();
    }
    int mask = pages.kind(slot).guestEntries() - 1;
    int index = path.leaf() == 1 ? path.index(1) : (int) gfn & mask;
    return ShadowPages.place(slot, index);
  }

  /** Whether the last {@link #child} asks for a flush. */
  private boolean lastRefer;

  /**
   * The shadow below an entry, made if need be.
   *
   * @param splinter for a superpage its first guest frame plus one, otherwise 0
   */
  private int child(int slot, int index, long entry, long splinter) {
    int type = pages.type(slot);
    ShadowKind kind = pages.kind(slot);
    int childType = kind.isSplinter() ? splinterType(kind) : entries.childType(type, entry);
    long key = key(kind, entry, splinter, type);
    int child = graph.find(childType, key);
    if (child == ShadowPages.NONE) {
      child = graph.make(childType, key);
      made = true; // the last level's, if any: nothing old lies below it
    } else {
      made = false;
      if (graph.child(pages.entry(slot, index * kind.entriesPerGuestEntry())) != child) {
        counts.add(ShadowEvent.SHADOWS_FOUND);
      }
    }
    graph.get(child);
    lastRefer = entries.refer(slot, index, entry, child);
    graph.put(child);
    return child;
  }

  private static int splinterType(ShadowKind kind) {
    ShadowKind below = kind.splinters();
    if (below == null) {
      throw new IllegalStateException(kind + " has nothing below it");
    }
    return below.type(0);
  }

  private long key(ShadowKind kind, long entry, long splinter, int type) {
    if (splinter != 0) {
      return ShadowHash.ofSplinter(splinter - 1, GuestTables.protectionKey(kind, entry));
    }
    return ShadowHash.ofTable(domain.guest().toMachine(domain.guest().target(type, entry)));
  }

  // ---- what it means ----

  private Answer answer(ShadowMode mode, long access, long found, long target, long shadow) {
    P2mType type = P2mEntry.type(target);
    if (type == P2mType.MMIO_DM) {
      return Answer.EMULATE_MMIO;
    }
    if (shadow == 0) {
      mode.faultOfHardware(); // not as a CPU would, but as Xen does: nothing else gets the guest on
      return Answer.INJECT;
    }
    if ((access & Access.WRITE) == 0) {
      return Answer.FIXED;
    }
    if (type.is(Group.DISCARD_WRITE)) {
      return Answer.EMULATE_READ_ONLY;
    }
    @Mfn long mfn = P2mEntry.mfn(target);
    boolean byUser = (access & Access.USER) != 0;
    if (graph.isTable(mfn) && !sync.letsWrite(mfn, byUser)) {
      if (byUser && unshadowing.removeShadows(mfn, true)) {
        domain.flush(); // programs do not write tables: it is none any more
      }
      if (!byUser) {
        mode.lastWrite().note(mode.path().linear(), mfn); // unless it comes to nothing
      }
      return Answer.EMULATE_TABLE_WRITE;
    }
    if (!mode.isPermittedByHardware(found, access)) {
      return Answer.EMULATE_WP;
    }
    return DataFrames.isWritable(shadow) ? Answer.FIXED : Answer.EMULATE_READ_ONLY;
  }
}
