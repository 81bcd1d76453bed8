// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hypervisor.GuestFrames.Run;
import dev.quire.hypervisor.logdirty.DirtyLog;
import dev.quire.hypervisor.logdirty.Preemption;
import dev.quire.hypervisor.p2m.DomainP2m;
import dev.quire.hypervisor.p2m.MachineToPhysical;
import dev.quire.hypervisor.p2m.P2mHost;
import dev.quire.hypervisor.p2m.P2mSettings;
import dev.quire.hypervisor.pool.DomainPool;
import org.jspecify.annotations.Nullable;

/**
 * What a domain has beside its memory: the pool, the p2m in it. Made when first needed, since most
 * domains of many never need any.
 */
final class DomainTables {
  private static final int ORDER_STEP = 9;

  private final GuestDomain domain;
  private final MachineFrames frames;
  private @Nullable DomainPool pool;
  private @Nullable TypedMemory typed;
  private @Nullable DomainP2m p2m;

  private volatile @Nullable LogDirty log;

  /** What {@link #p2m} was converted from, until the new backend has taken the domain. */
  private @Nullable DomainP2m replaced;

  /** Who is told of changes of the p2m; nobody while the p2m is being built. */
  private volatile @Nullable PagingDomain listener;

  DomainTables(GuestDomain domain, MachineFrames frames) {
    this.domain = domain;
    this.frames = frames;
  }

  // ---- the pool ----

  synchronized DomainPool pool() {
    DomainPool now = pool;
    if (now == null) {
      now = frames.pool(domain.id());
      fill(now);
      pool = now;
    }
    return now;
  }

  private void fill(DomainPool empty) {
    DomainSpec spec = domain.spec();
    long frames =
        spec.pool() == 0 ? DomainPool.commonSize(spec.vcpus(), spec.frames()) : spec.pool();
    if (!empty.resize(frames).isOk()) {
      throw new BackendUnavailableException(
          frames + " frames for the domain's tables are not there");
    }
  }

  // ---- the p2m ----

  @Nullable DomainP2m p2m() {
    return p2m;
  }

  void listener(@Nullable PagingDomain paging) {
    listener = paging;
  }

  /**
   * Makes the p2m ready in a format: built from the frames that the domain was given, or converted.
   *
   * @param format null for whoever needs none
   * @return undoes it
   * @throws BackendUnavailableException if the pool does not suffice; nothing has changed
   */
  Runnable prepare(@Nullable P2mFormat format) {
    DomainP2m now = p2m;
    if (format == null || now != null && now.format() == format) {
      return () -> {};
    }
    if (now == null) {
      use(build(format));
      return this::dropP2m;
    }
    DomainP2m converted = now.convert(settings(format));
    replaced = now;
    use(converted);
    return () -> {
      use(now);
      replaced = null;
      converted.discard();
    };
  }

  private void use(@Nullable DomainP2m now) {
    p2m = now;
    domain.memory().p2m(now);
  }

  /** The new backend has the domain; the CPUs have forgotten the old one's tables. */
  void settle() {
    DomainP2m old = replaced;
    if (old != null) {
      replaced = null;
      old.discard();
    }
  }

  /** The domain has no p2m any more, if it had one. */
  void dropP2m() {
    DomainP2m now = p2m;
    if (now != null) {
      listener = null;
      use(null);
      give(now);
    }
  }

  private void give(@Nullable DomainP2m gone) {
    if (gone != null) {
      gone.close(Long.MAX_VALUE);
    }
    frames.disown(domain.guestFrames());
  }

  /** Gives all memory back, the guest's too; nobody uses it any more. */
  void dissolve() {
    dropP2m();
    DomainPool now = pool;
    if (now != null) {
      now.close(Long.MAX_VALUE);
    }
    TypedMemory owned = typed;
    if (owned == null) {
      frames.release(domain.guestFrames());
    } else {
      owned.release(domain.id());
    }
  }

  /** The domain's frames have types from now on: the frame table says whose they are. */
  void adopt(TypedMemory memory) {
    memory.adopt(domain.guestFrames(), domain.id());
    typed = memory;
  }

  /** The guest frame that a machine frame is, or {@link FrameMapper#NONE}. */
  @Gfn
  long toGuest(@Mfn long mfn) {
    TypedMemory owned = typed;
    if (owned != null) {
      return owned.toGuest(mfn, domain.id());
    }
    if (p2m == null) {
      return domain.guestFrames().toGuest(mfn);
    }
    boolean ours = frames.m2p().owner(mfn) == domain.id();
    @Gfn long gfn = frames.m2p().gfn(mfn);
    return ours && gfn < MachineToPhysical.SHARED ? gfn : Addresses.gfn(FrameMapper.NONE);
  }

  // ---- the dirty log ----

  synchronized LogDirty logDirty() {
    LogDirty now = log;
    if (now == null) {
      DirtyLog made =
          new DirtyLog(
              pool(),
              domain.machine().memory(),
              domain::paging,
              domain.memory()::p2m,
              Preemption.NEVER);
      now = new QuietLog(domain, made);
      log = now;
    }
    return now;
  }

  boolean isLogging() {
    LogDirty now = log;
    return now != null && now.isEnabled();
  }

  /** A guest frame was written without the hardware's knowledge. */
  void dirtied(@Gfn long gfn) {
    LogDirty now = log;
    if (now != null) {
      now.mark(gfn);
    }
  }

  /** A domain ends: nobody wants to know what it wrote. */
  void stopLogging() {
    if (isLogging()) {
      logDirty().disable();
    }
  }

  // ---- building ----

  private DomainP2m build(P2mFormat format) {
    GuestFrames memory = domain.guestFrames();
    frames.own(memory, domain.id());
    DomainP2m made = null;
    try {
      made = new DomainP2m(settings(format), host());
      made.deferFlushes(); // no CPU knows it yet
      for (int i = 0; i < memory.size(); i++) {
        add(made, memory.run(i));
      }
      made.flushDeferred();
      return made;
    } catch (BackendUnavailableException refused) {
      give(made);
      throw refused;
    }
  }

  private P2mHost host() {
    return new P2mHost(
        domain.id(),
        domain.machine(),
        pool(),
        frames.m2p(),
        domain::forgetP2m,
        () -> listener,
        gfn -> domain.dirtied(Addresses.gfn(gfn)));
  }

  /** In powers of two at their natural places, so that every mapping can be as large as it may. */
  private void add(DomainP2m made, Run run) {
    for (long done = 0; done < run.count(); ) {
      @Gfn long gfn = Addresses.advance(run.gfn(), done);
      @Mfn long mfn = Addresses.advance(run.mfn(), done);
      int fits = 63 - Long.numberOfLeadingZeros(run.count() - done);
      int order = Math.min(fits, Long.numberOfTrailingZeros(gfn | 1L << 2 * ORDER_STEP));
      Errno added = made.add(gfn, mfn, order, P2mType.RAM_RW);
      if (!added.isOk()) {
        throw new BackendUnavailableException(
            "the pool of " + pool().total() + " frames does not hold the p2m: " + added);
      }
      done += 1L << order;
    }
  }

  private P2mSettings settings(P2mFormat format) {
    CpuProfile profile = domain.machine().profile();
    boolean ept = format == P2mFormat.EPT;
    int hardware =
        profile.has(ept ? Feature.EPT_1G : Feature.PAGE_1G)
            ? 2
            : !ept || profile.has(Feature.EPT_2M) ? 1 : 0;
    int size = Math.min(hardware, domain.spec().largestOrder() / ORDER_STEP);
    boolean wide = ept && profile.has(Feature.EPT_5_LEVEL) && profile.physicalBits() > 48;
    PagingFormat shape = wide ? PagingFormat.FIVE_LEVEL : PagingFormat.FOUR_LEVEL;
    return new P2mSettings(format, shape, size, true, profile.has(Feature.EPT_EXECUTE_ONLY));
  }

  /**
   * Whether the p2m says nothing but that each frame of the domain's memory is the machine frame of
   * the same number.
   */
  boolean isIdentity() {
    DomainP2m map = p2m;
    GuestFrames memory = domain.guestFrames();
    if (map == null) {
      return memory.isIdentity();
    }
    if (!memory.isIdentity() || mapped(map) != domain.spec().frames()) {
      return false;
    }
    for (int i = 0; i < memory.size(); i++) {
      if (!isIdentity(map, memory.run(i))) {
        return false;
      }
    }
    return true;
  }

  private static long mapped(DomainP2m map) {
    long frames = 0;
    for (P2mType type : P2mType.values()) {
      frames += type == P2mType.MMIO_DM ? 0 : map.frames(type);
    }
    return frames;
  }

  private static boolean isIdentity(DomainP2m map, Run run) {
    long done = 0;
    while (done < run.count()) {
      @Gfn long gfn = Addresses.advance(run.gfn(), done);
      long entry = map.get(gfn);
      if (!P2mEntry.hasFrame(entry)
          || P2mEntry.mfn(entry) != Addresses.identityGfnToMfn(gfn)
          || P2mEntry.type(entry) != P2mType.RAM_RW
          || P2mEntry.access(entry) != P2mAccess.RWX) {
        return false;
      }
      long covers = 1L << P2mEntry.order(entry);
      done += covers - (gfn & covers - 1);
    }
    return true;
  }
}
