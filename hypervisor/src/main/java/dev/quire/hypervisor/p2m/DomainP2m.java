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
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.paging.BackendUnavailableException;
import java.util.List;

/** A domain's p2m: each operation checks its arguments, locks, and hands over to who does it. */
public final class DomainP2m implements P2m {
  private final P2mCore core;
  private final Admission admission;
  private final Physmap physmap;
  private final TypeChanges types;

  /**
   * An empty p2m.
   *
   * @throws BackendUnavailableException if the pool has no frame for the root
   */
  public DomainP2m(P2mSettings settings, P2mHost host) {
    this(settings, host, new RangeSet());
  }

  private DomainP2m(P2mSettings settings, P2mHost host, RangeSet readOnlyDevices) {
    this(new P2mCore(settings, host, readOnlyDevices, new TypeRules(readOnlyDevices)));
  }

  private DomainP2m(P2mCore core) {
    this.core = core;
    admission = new Admission(core.host, core.tables);
    physmap = new Physmap(core);
    types = new TypeChanges(core);
  }

  /**
   * The same map in another format: for a swap of the backend, at a safe point of all vCPUs. Either
   * is complete, and one of them must be given up by {@link #discard}: this one after the swap, the
   * new one if the swap fails. Until then neither may be changed.
   *
   * @param settings of the new one
   * @throws BackendUnavailableException if the pool does not hold both, or the new format cannot
   *     express something; nothing is left of the new one
   */
  public DomainP2m convert(P2mSettings settings) {
    core.lock();
    try {
      P2mCore other =
          new P2mCore(settings, core.host, core.readOnlyDevices, new TypeRules(core.rules));
      try {
        new Conversion(core, other).run();
      } catch (BackendUnavailableException refused) {
        other.freeTables(Long.MAX_VALUE);
        throw refused;
      }
      return new DomainP2m(other);
    } finally {
      core.unlock();
    }
  }

  /** Frees the tables, after a flush, and nothing else: another p2m says the same. */
  public void discard() {
    core.begin();
    core.flushes.abandon(core.tables);
    core.freeTables(Long.MAX_VALUE);
    core.end(Errno.OK);
  }

  /**
   * Ends the p2m with its domain: nothing is mapped any more, no reference held, no table left.
   *
   * @param budget how many tables to free in this call
   * @return ERESTART if some are left: call again
   */
  public Errno close(long budget) {
    core.begin();
    core.dropMappings();
    core.flushes.abandon(core.tables);
    return core.end(core.freeTables(budget) ? Errno.OK : Errno.ERESTART);
  }

  @Override
  public P2mFormat format() {
    return core.tables.settings().format();
  }

  /** How it is written. */
  public P2mSettings settings() {
    return core.tables.settings();
  }

  @Override
  public @Maddr long root() {
    return Addresses.mfnToMaddr(core.tables.root());
  }

  @Override
  public int levels() {
    return core.tables.levels();
  }

  @Override
  public long get(@Gfn long gfn) {
    return core.get(gfn);
  }

  @Override
  public long getGfn(@Gfn long gfn, int query) {
    core.lock();
    return core.tables.get(gfn);
  }

  @Override
  public void putGfn(@Gfn long gfn) {
    core.unlock();
  }

  @Override
  public @Mfn long getPage(@Gfn long gfn, int query) {
    core.lock();
    try {
      return physmap.getPage(gfn);
    } finally {
      core.unlock();
    }
  }

  @Override
  public void putPage(@Mfn long mfn) {
    core.host.m2p().putReference(mfn);
  }

  @Override
  public Errno add(@Gfn long gfn, @Mfn long mfn, int order, P2mType type) {
    boolean plain = type.is(Group.RAM) && !type.is(Group.PAGING) && !type.is(Group.SHARED);
    if (!plain || type == P2mType.IOREQ_SERVER || mfn == FrameMapper.NONE) {
      return Errno.EINVAL;
    }
    long what = P2mEntry.of(mfn, type, P2mAccess.RWX, 0);
    Errno sound = admission.check(gfn, mfn, order, type, what);
    if (sound != Errno.OK) {
      return sound;
    }
    core.begin();
    return core.end(physmap.add(gfn, what, 1L << order));
  }

  @Override
  public Errno remove(@Gfn long gfn, @Mfn long mfn, int order) {
    if (!admission.isRange(gfn, order)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(physmap.remove(gfn, mfn, 1L << order));
  }

  @Override
  public Errno set(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access) {
    long what = entry(mfn, type, access);
    Errno sound = admission.check(gfn, mfn, order, type, what);
    if (sound != Errno.OK) {
      return sound;
    }
    core.begin();
    return core.end(core.mapSteps(gfn, physmap.keepingVe(gfn, what), 1L << order));
  }

  private static long entry(@Mfn long mfn, P2mType type, P2mAccess access) {
    return mfn == FrameMapper.NONE
        ? P2mEntry.without(type, access, 0)
        : P2mEntry.of(mfn, type, access, 0);
  }

  @Override
  public Errno changeType(@Gfn long gfn, P2mType from, P2mType to) {
    if (!admission.isRange(gfn, 0) || !TypeChanges.isPlain(from, to)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(types.one(gfn, from, to));
  }

  @Override
  public Errno changeTypeRange(@Gfn long first, long count, P2mType from, P2mType to) {
    if (first < 0 || count < 0 || !TypeChanges.isLazy(from, to)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(types.range(first, count, to));
  }

  @Override
  public Errno changeTypeGlobal(P2mType from, P2mType to) {
    if (!TypeChanges.isLazy(from, to)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(types.all(to));
  }

  @Override
  public Errno recalculate(@Gfn long gfn) {
    if (!admission.isRange(gfn, 0)) {
      return Errno.ENOENT;
    }
    core.begin();
    return core.end(core.recalculation.resolve(gfn));
  }

  @Override
  public long repairs() {
    return core.recalculation.repairs();
  }

  @Override
  public Errno ioreqServer(boolean there) {
    core.begin();
    return core.end(types.ioreqServer(there));
  }

  @Override
  public void hardwareLogs(boolean on) {
    core.begin();
    types.hardwareLogs(on);
    core.end(Errno.OK);
  }

  @Override
  public Errno suppressVe(@Gfn long gfn, boolean suppress) {
    if (!admission.isRange(gfn, 0)) {
      return Errno.EINVAL;
    }
    if (!suppress && !core.tables.codec().storesAccess()) {
      return Errno.EOPNOTSUPP;
    }
    core.begin();
    return core.end(physmap.suppressVe(gfn, suppress));
  }

  @Override
  public Errno setSpecial(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, P2mAccess access) {
    if (!type.is(Group.SPECIAL)) {
      return Errno.EINVAL;
    }
    long what = entry(mfn, type, access);
    Errno sound = admission.check(gfn, mfn, order, type, what);
    if (sound != Errno.OK) {
      return sound;
    }
    core.begin();
    return core.end(physmap.setSpecial(gfn, what, 1L << order));
  }

  @Override
  public Errno clearSpecial(@Gfn long gfn, @Mfn long mfn, int order) {
    if (!admission.isRange(gfn, order)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(physmap.clearSpecial(gfn, mfn, 1L << order));
  }

  /** Machine frames of devices that the guest may read only ({@code mmio_ro_ranges}). */
  public void readOnlyDevice(@Mfn long first, long count) {
    core.begin();
    core.readOnlyDevices.add(first, count);
    core.end(Errno.OK);
  }

  @Override
  public Errno shatter(@Gfn long gfn) {
    if (!admission.isRange(gfn, 0)) {
      return Errno.EINVAL;
    }
    core.begin();
    return core.end(core.shatter(gfn));
  }

  @Override
  public void deferFlushes() {
    core.begin();
    core.flushes.defer();
    core.end(Errno.OK);
  }

  @Override
  public void flushDeferred() {
    core.begin();
    core.flushes.resume();
    core.end(Errno.OK);
  }

  @Override
  public @Gfn long end() {
    return core.end();
  }

  @Override
  public long tableFrames() {
    return core.tables.frames();
  }

  @Override
  public long frames(P2mType type) {
    return core.counts.of(type.ordinal());
  }

  @Override
  public List<String> audit() {
    core.lock();
    try {
      return new P2mAudit(core).run();
    } finally {
      core.unlock();
    }
  }
}
