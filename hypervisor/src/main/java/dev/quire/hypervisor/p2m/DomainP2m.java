// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingDomain;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A domain's p2m: operations over a {@link P2mTree}. One lock, which its holder may take again
 * (order: before everything else of the domain, as in Xen). Changes make {@link #sequence} odd;
 * {@link #get} takes no lock but reads again if it met a change, since a table may be freed and
 * used anew under a reader's eyes.
 */
public final class DomainP2m implements P2m {
  private final P2mHost host;
  private final FlushQueue flushes;
  private final RangeSet readOnlyDevices = new RangeSet();
  private final TypeRules rules = new TypeRules(readOnlyDevices);
  private final TypeCounts counts = new TypeCounts();
  private final Physmap physmap;
  private final ReentrantLock lock = new ReentrantLock();
  private volatile P2mTree tree;
  private volatile @Gfn long end = Addresses.gfn(0);
  private final AtomicLong sequence = new AtomicLong();
  private int changes;

  /**
   * An empty p2m.
   *
   * @throws BackendUnavailableException if the pool has no frame for the root
   */
  public DomainP2m(P2mSettings settings, P2mHost host) {
    this.host = host;
    flushes = new FlushQueue(host.flusher());
    physmap = new Physmap(this, host.m2p());
    @Mfn long root = host.pool().allocate();
    if (root == PagingPool.NONE) {
      throw new BackendUnavailableException("the paging pool has no frame for the p2m's root");
    }
    tree = plant(settings, root);
  }

  private P2mTree plant(P2mSettings settings, @Mfn long root) {
    EntryCodec codec =
        switch (settings.format()) {
          case X86 -> new X86Codec(rules);
          case EPT -> new EptCodec(rules, new MemoryTypes(readOnlyDevices), settings);
        };
    P2mTables tables =
        new P2mTables(host.machine().memory(), host.pool(), codec, rules, settings, root);
    Recalculation recalculation = new Recalculation(tables, rules, counts);
    return new P2mTree(
        tables, recalculation, new Mapper(tables, recalculation, counts, flushes, host));
  }

  @Override
  public P2mFormat format() {
    return tree.tables().settings().format();
  }

  @Override
  public @Maddr long root() {
    return Addresses.mfnToMaddr(tree.tables().root());
  }

  @Override
  public int levels() {
    return tree.tables().levels();
  }

  @Override
  public long get(@Gfn long gfn) {
    long before = sequence.get();
    if ((before & 1) == 0) {
      long entry = tree.tables().get(gfn);
      VarHandle.loadLoadFence();
      if (sequence.get() == before) {
        return entry;
      }
    }
    lock.lock();
    try {
      return tree.tables().get(gfn);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public long getGfn(@Gfn long gfn, int query) {
    lock.lock();
    return tree.tables().get(gfn);
  }

  @Override
  public void putGfn(@Gfn long gfn) {
    lock.unlock();
  }

  private void begin() {
    lock.lock();
    if (changes++ == 0) {
      sequence.incrementAndGet();
      VarHandle.storeStoreFence();
    }
  }

  private Errno end(Errno result) {
    try {
      flushes.settle(tree.tables());
    } finally {
      if (--changes == 0) {
        sequence.incrementAndGet();
      }
      lock.unlock();
    }
    return result;
  }

  @Override
  public Errno add(@Gfn long gfn, @Mfn long mfn, int order, P2mType type) {
    if (!type.is(Group.RAM) || type.is(Group.PAGING) || type == P2mType.IOREQ_SERVER) {
      return Errno.EINVAL;
    }
    Errno sound = check(gfn, mfn, order, type);
    if (sound != Errno.OK) {
      return sound;
    }
    begin();
    return end(physmap.add(gfn, mfn, 1L << order, type));
  }

  @Override
  public Errno remove(@Gfn long gfn, @Mfn long mfn, int order) {
    if (!isRange(gfn, order)) {
      return Errno.EINVAL;
    }
    begin();
    return end(physmap.remove(gfn, mfn, 1L << order));
  }

  @Override
  public Errno set(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access) {
    Errno sound = check(gfn, mfn, order, type);
    if (sound != Errno.OK) {
      return sound;
    }
    long what =
        mfn == PagingPool.NONE
            ? P2mEntry.without(type, access, 0)
            : P2mEntry.of(mfn, type, access, 0);
    if (!tree.tables().codec().canHold(what)) {
      return Errno.EOPNOTSUPP;
    }
    begin();
    return end(mapSteps(gfn, what, 1L << order));
  }

  @Override
  public Errno changeType(@Gfn long gfn, P2mType from, P2mType to) {
    if (!isRange(gfn, 0)) {
      return Errno.EINVAL;
    }
    begin();
    long now = tree.tables().get(gfn);
    if (P2mEntry.type(now) != from) {
      return end(Errno.EBUSY);
    }
    return end(mapSteps(gfn, P2mEntry.withType(now, to.ordinal()), 1));
  }

  @Override
  public Errno changeTypeRange(@Gfn long first, long count, P2mType from, P2mType to) {
    if (count < 0 || !areChangeable(from, to)) {
      return Errno.EINVAL;
    }
    long clipped = Math.min(count, end - first);
    if (clipped <= 0) {
      return Errno.OK;
    }
    begin();
    if (to == P2mType.RAM_LOGDIRTY) {
      rules.logDirtyRanges().add(first, clipped);
    } else {
      rules.logDirtyRanges().remove(first, clipped);
    }
    Errno marked = tree.recalculation().markRange(first, clipped, true);
    typesChanged(first, clipped);
    return end(marked);
  }

  @Override
  public Errno changeTypeGlobal(P2mType from, P2mType to) {
    if (!areChangeable(from, to)) {
      return Errno.EINVAL;
    }
    begin();
    rules.globalLogDirty(to == P2mType.RAM_LOGDIRTY);
    tree.recalculation().markAll(true);
    typesChanged(Addresses.gfn(0), end);
    return end(Errno.OK);
  }

  private static boolean areChangeable(P2mType from, P2mType to) {
    return from != to
        && TypeRules.isChangeable(from.ordinal())
        && TypeRules.isChangeable(to.ordinal())
        && to != P2mType.IOREQ_SERVER;
  }

  private void typesChanged(@Gfn long first, long count) {
    flushes.request();
    PagingDomain paging = host.backend().get();
    if (paging != null) {
      paging.p2mTypesChanged(first, count);
    }
  }

  @Override
  public Errno recalculate(@Gfn long gfn) {
    if (!isRange(gfn, 0)) {
      return Errno.ENOENT;
    }
    begin();
    return end(tree.recalculation().resolve(gfn));
  }

  @Override
  public long repairs() {
    return tree.recalculation().repairs();
  }

  @Override
  public Errno setSpecial(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access) {
    if (!type.is(Group.SPECIAL) || type == P2mType.MAP_FOREIGN && order > 0) {
      return Errno.EINVAL;
    }
    Errno sound = check(gfn, mfn, order, type);
    if (sound != Errno.OK) {
      return sound;
    }
    long what = P2mEntry.of(mfn, type, access, 0);
    if (!tree.tables().codec().canHold(what)) {
      return Errno.EOPNOTSUPP;
    }
    begin();
    return end(physmap.setSpecial(gfn, what, 1L << order));
  }

  @Override
  public Errno clearSpecial(@Gfn long gfn, @Mfn long mfn, int order) {
    if (!isRange(gfn, order)) {
      return Errno.EINVAL;
    }
    begin();
    return end(physmap.clearSpecial(gfn, mfn, 1L << order));
  }

  @Override
  public Errno shatter(@Gfn long gfn) {
    if (!isRange(gfn, 0)) {
      return Errno.EINVAL;
    }
    begin();
    return end(tree.mapper().shatter(gfn));
  }

  @Override
  public void deferFlushes() {
    begin();
    flushes.defer();
    end(Errno.OK);
  }

  @Override
  public void flushDeferred() {
    begin();
    flushes.resume(tree.tables());
    end(Errno.OK);
  }

  @Override
  public @Gfn long end() {
    return end;
  }

  @Override
  public long tableFrames() {
    return tree.tables().frames();
  }

  @Override
  public long frames(P2mType type) {
    return counts.of(type.ordinal());
  }

  @Override
  public List<String> audit() {
    lock.lock();
    try {
      return List.of();
    } finally {
      lock.unlock();
    }
  }

  /** No mapping, as an entry. */
  long nothing() {
    return tree.tables().codec().hole(1);
  }

  /**
   * Makes guest frames what is asked, by the largest mappings that alignment and settings allow.
   *
   * @param what a {@link P2mEntry} of the first frame
   * @return ENOMEM if a step failed: the frames below it are changed, the others as before
   */
  Errno mapSteps(@Gfn long gfn, long what, long count) {
    for (long done = 0; done < count; ) {
      @Gfn long each = Addresses.advance(gfn, done);
      long part = P2mEntry.advance(what, done);
      int level = largestLevel(each, part, count - done);
      Errno mapped = tree.mapper().map(each, level, part);
      if (mapped != Errno.OK) {
        return mapped;
      }
      done += tree.tables().covers(level);
      if (P2mEntry.type(what) != P2mType.MMIO_DM) {
        end = Addresses.gfn(Math.max(end, gfn + done));
      }
    }
    return Errno.OK;
  }

  private int largestLevel(@Gfn long gfn, long what, long count) {
    P2mTables tables = tree.tables();
    long bits = gfn | (P2mEntry.hasFrame(what) ? P2mEntry.mfn(what) : 0);
    int level = tables.settings().largestSize() + 1;
    while (level > 1 && ((bits & tables.covers(level) - 1) != 0 || tables.covers(level) > count)) {
      level--;
    }
    return level;
  }

  private boolean isRange(@Gfn long gfn, int order) {
    int width = tree.tables().width();
    return order >= 0
        && order <= width
        && gfn >= 0
        && gfn >>> width == 0
        && gfn + (1L << order) <= 1L << width;
  }

  /** Whether a range may be given such frames at all, whatever is there now. */
  private Errno check(@Gfn long gfn, @Mfn long mfn, int order, P2mType type) {
    if (!isRange(gfn, order)) {
      return Errno.EINVAL;
    }
    if (mfn == PagingPool.NONE) {
      return type.is(Group.NO_FRAME) || type.is(Group.HOLE) ? Errno.OK : Errno.EINVAL;
    }
    long frames = 1L << host.machine().profile().physicalBits() - Addresses.PAGE_SHIFT;
    if (mfn < 0 || mfn > frames - (1L << order)) {
      return Errno.EINVAL;
    }
    for (long i = 0; i < 1L << order; i++) {
      if (!mayHave(Addresses.advance(mfn, i), type)) {
        return Errno.EPERM;
      }
    }
    return Errno.OK;
  }

  private boolean mayHave(@Mfn long mfn, P2mType type) {
    if (type == P2mType.MMIO_DIRECT) {
      return !host.machine().memory().isRam(Addresses.mfnToMaddr(mfn));
    }
    int owner = host.m2p().owner(mfn);
    return type.is(Group.SPECIAL)
        ? owner != MachineToPhysical.NOBODY && owner != host.domain()
        : owner == host.domain();
  }
}
