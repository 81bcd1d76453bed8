// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.x86.CpuProfile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Shadow paging of one domain: its shadows, its vCPUs' modes, and the lock that all work on them is
 * done under (the paging lock; below the p2m's in the order).
 */
class ShadowDomain implements PagingDomain {
  private final ReentrantLock lock = new ReentrantLock();
  private final Domain domain;
  private final PhysicalMemory memory;
  private final ShadowCounts counts = new ShadowCounts();
  private final Shootdown shootdown;
  private final TableMemory tables;
  private final ShadowPages pages;
  private final DataFrames data;
  private final ShadowHash hash;
  private final ReverseMaps reverse;
  private final DyingTables dying = new DyingTables(this);
  private final VideoRam video = new VideoRam(this);
  private final ShadowGraph graph;
  private final FrameSpace frames;
  private final GuestTables guest;
  private final Propagation propagation;
  private final ShadowEntries entries;
  private final WriteAccess writeAccess;
  private final Unshadowing unshadowing;
  private final GuestWrites writes;
  private final HypervisorChanges behind = new HypervisorChanges(this);
  private final PageFaults faults;
  private final FastFaults fastFaults;
  private final ShadowMode[] modes;
  private volatile boolean logging;
  private final OwnTables own;
  private final ShadowOptions options;
  private final StaleTables staleTables;
  private final HighLevelTables highLevel;
  private final SyncPolicy sync;

  /**
   * Takes what shadow paging cannot do without.
   *
   * @throws BackendUnavailableException if the pool does not have it
   */
  ShadowDomain(Domain domain, ShadowOptions options, FrameSpace frames) {
    this.domain = domain;
    this.options = options;
    this.frames = frames;
    memory = domain.machine().memory();
    shootdown = new Shootdown(domain.machine(), counts);
    int least = OwnTables.minimum(domain.vcpus(), options);
    tables = new TableMemory(domain.pool(), memory, shootdown, least);
    reserve(least);
    own = new OwnTables(memory, tables, OwnTables.snapshots(domain.vcpus(), options));
    boolean classic = options.isClassic();
    pages = new ShadowPages(memory, tables);
    highLevel = new HighLevelTables(memory, tables, pages, counts, classic);
    OutOfSyncTables few = new OutOfSyncTables(memory, own.snapshots());
    ClassicOutOfSyncTables any = new ClassicOutOfSyncTables(memory, tables);
    staleTables = classic ? any : few;
    hash = new ShadowHash(pages);
    reverse = new ReverseMaps(options.reverseMaps());
    data = new DataFrames(memory, shootdown);
    graph =
        new ShadowGraph(
            pages, hash, data, staleTables, reverse, highLevel, dying, video, !classic, counts);
    guest = new GuestTables(memory, profile(), frames);
    propagation = new Propagation(this, guest, graph, staleTables, counts);
    entries = new ShadowEntries(this, pages, graph, guest, propagation, staleTables, highLevel);
    writeAccess =
        new WriteAccess(
            pages, graph, data, reverse, counts, classic ? new WritablePredictor() : null);
    List<ShadowMode> all = new ArrayList<>();
    unshadowing =
        new Unshadowing(
            pages, graph, data, reverse, tables, counts, all, () -> sync().relinquish());
    writes = new GuestWrites(memory, pages, graph, entries, unshadowing, dying, counts, !classic);
    sync = classic ? new ClassicOutOfSync(any, this) : new OutOfSync(few, this);
    faults = new PageFaults(this, frames);
    fastFaults = new FastFaults(this);
    modes = new ShadowMode[domain.vcpus()];
    Arrays.setAll(modes, i -> new ShadowMode(this, domain.vcpu(i)));
    all.addAll(List.of(modes));
  }

  private void reserve(int least) {
    if (!tables.couldReserve(least)) {
      throw new BackendUnavailableException(
          String.format(
              "shadow paging of %d vCPUs needs a pool with %d free frames; of %d frames %d are used",
              domain.vcpus(), least, domain.pool().total(), domain.pool().used()));
    }
    tables.reserve(least);
  }

  /** Finds out anew whether all vCPUs have paging on. */
  void judgeSync() {
    boolean paged = true;
    for (ShadowMode mode : modes) {
      paged &= mode.guestLevels() > 1;
    }
    sync.paged(paged);
  }

  // ---- the lock ----

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  /** Makes all CPUs forget; frames that were tables are free afterwards. */
  void flush() {
    shootdown.flush();
    tables.release();
  }

  final void flushIf(boolean needed) {
    if (needed) {
      flush();
    }
  }

  // ---- the guest's doing ----

  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    ShadowMode mode = modes[vcpu.number()];
    mode.update();
    return mode;
  }

  @Override
  public void guestMemoryWritten(@Gpa long gpa, int bytes) {
    @Mfn long mfn = frames.physical(Addresses.gpaToGfn(gpa));
    if (mfn == FrameMapper.NONE) {
      return;
    }
    lock.lock();
    try {
      video.wrote(Addresses.gpaToGfn(gpa));
      flushIf(writes.written(mfn, (int) Addresses.pageOffset(gpa), bytes));
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean lagsBehind(@Gfn long table) {
    @Mfn long mfn = frames.physical(table);
    return mfn != FrameMapper.NONE && staleTables.isOutOfSync(mfn);
  }

  // ---- changes behind the guest's back ----

  @Override
  public void guestMemoryChanged(@Gfn long first, long count) {
    behind.memoryChanged(first, count);
  }

  @Override
  public void p2mChanging(@Gfn long gfn, int order, long before, long after) {
    behind.p2mChanging(order, before, after);
  }

  @Override
  public void p2mChanged(@Gfn long gfn, int order, long before, long after) {
    behind.p2mChanged(after);
  }

  @Override
  public void p2mTypesChanged(@Gfn long first, long count) {
    cleanLogDirty();
  }

  @Override
  public Errno enableLogDirty() {
    logging = true;
    return cleanLogDirty();
  }

  /** Entries become writable again when they are next used to write. */
  @Override
  public Errno disableLogDirty() {
    logging = false;
    lock.lock();
    try {
      sync.loggingEnds();
      return Errno.OK;
    } finally {
      lock.unlock();
    }
  }

  /** Whether writes are to be noted in the dirty log. */
  boolean isLogging() {
    return logging;
  }

  /** A frame is written, or may be from now on. */
  void dirtied(@Gfn long gfn) {
    if (logging) {
      domain.logDirty().mark(frames.logged(gfn));
    }
  }

  /** Every write is to be seen again: nothing stays mapped. */
  @Override
  public Errno cleanLogDirty() {
    lock.lock();
    try {
      unshadowing.blow();
      flush();
      return Errno.OK;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public Errno trackRange(@Gfn long first, long count, long[] bitmap) {
    boolean can = !options.isClassic() && (int) count == count;
    return can ? video.ask(first, (int) count, bitmap) : Errno.EOPNOTSUPP;
  }

  // ---- the end ----

  @Override
  public void detach() {
    lock.lock();
    try {
      for (ShadowMode mode : modes) {
        mode.dropRoots();
      }
      unshadowing.blow(); // and with the shadows all that goes with them
      own.condemn(tables);
      flush();
      tables.releaseReserve();
    } finally {
      lock.unlock();
    }
  }

  // ---- to look at ----

  @Override
  public List<String> audit() {
    lock.lock();
    try {
      return new ShadowAudit(this, modes).run();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public Map<String, Long> statistics() {
    lock.lock();
    try {
      return counts.all(options.isClassic(), pages, highLevel, tables);
    } finally {
      lock.unlock();
    }
  }

  // ---- parts ----

  CpuProfile profile() {
    return domain.machine().profile();
  }

  PageWalker walker() {
    return domain.machine().walker();
  }

  @Gfn
  long gfnOf(@Mfn long mfn) {
    return frames.number(mfn);
  }

  OwnTables own() {
    return own;
  }

  PhysicalMemory memory() {
    return memory;
  }

  PageFaults faults() {
    return faults;
  }

  FastFaults fastFaults() {
    return fastFaults;
  }

  ShadowCounts counts() {
    return counts;
  }

  TableMemory tables() {
    return tables;
  }

  ShadowPages pages() {
    return pages;
  }

  ShadowHash hash() {
    return hash;
  }

  DataFrames data() {
    return data;
  }

  ReverseMaps reverse() {
    return reverse;
  }

  ShadowGraph graph() {
    return graph;
  }

  VideoRam video() {
    return video;
  }

  FrameSpace frames() {
    return frames;
  }

  DyingTables dying() {
    return dying;
  }

  ShadowOptions options() {
    return options;
  }

  StaleTables staleTables() {
    return staleTables;
  }

  SyncPolicy sync() {
    return sync;
  }

  HighLevelTables highLevel() {
    return highLevel;
  }

  GuestTables guest() {
    return guest;
  }

  Propagation propagation() {
    return propagation;
  }

  ShadowEntries entries() {
    return entries;
  }

  WriteAccess writeAccess() {
    return writeAccess;
  }

  GuestWrites writes() {
    return writes;
  }

  Unshadowing unshadowing() {
    return unshadowing;
  }
}
