// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ControlRegisterUnit.PdpteSource;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import org.jspecify.annotations.Nullable;

/**
 * A domain. Its attachment is the slot of the active backend: read once for each block or exit, set
 * at safe points only.
 */
final class GuestDomain implements Domain, FrameMapper, PdpteSource {
  /** What devices read where nothing answers. */
  private static final long NOTHING = -1;

  /**
   * The backend that serves the domain, and its hold on it: one fact, so one field.
   *
   * @param backend who
   * @param paging how
   */
  private record Attachment(PagingBackend backend, PagingDomain paging) {}

  private final int id;
  private final Machine machine;
  private final DomainSpec spec;
  private final GuestFrames frames;
  private final Scheduler scheduler;
  private final GuestVcpu[] vcpus;
  private volatile @Nullable Attachment attachment;
  private volatile @Nullable String crashReason;

  GuestDomain(int id, Machine machine, Scheduler scheduler, DomainSpec spec, GuestFrames frames) {
    this.id = id;
    this.machine = machine;
    this.spec = spec;
    this.frames = frames;
    this.scheduler = scheduler;
    vcpus = new GuestVcpu[spec.vcpus()];
    for (int number = 0; number < vcpus.length; number++) {
      vcpus[number] = new GuestVcpu(this, number, scheduler);
    }
  }

  /**
   * Hands the domain to a backend, with every vCPU at a safe point; if that throws, nothing has
   * changed and the backend before goes on.
   */
  void attach(PagingBackend backend) {
    scheduler.quiesce(vcpus, () -> attachQuiet(backend));
  }

  private void attachQuiet(PagingBackend backend) {
    if (backend.p2mFormat() != null) {
      throw new BackendUnavailableException("there is no p2m yet");
    }
    ControlBlock[] before = new ControlBlock[vcpus.length];
    PagingMode[] modes = new PagingMode[vcpus.length];
    for (int i = 0; i < vcpus.length; i++) {
      before[i] = vcpus[i].renewControl();
    }
    PagingDomain paging = null;
    try {
      paging = backend.attach(this);
      for (int i = 0; i < vcpus.length; i++) {
        modes[i] = paging.updatePagingModes(vcpus[i]);
      }
    } catch (RuntimeException refused) {
      if (paging != null) {
        paging.detach();
      }
      for (int i = 0; i < vcpus.length; i++) {
        vcpus[i].control(before[i]);
      }
      throw refused;
    }
    Attachment old = attachment;
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i].mode(modes[i]);
    }
    attachment = new Attachment(backend, paging);
    if (old != null) {
      scheduler.flush(vcpus);
      old.paging().detach();
    }
  }

  /** Ends the domain: no vCPU runs again, no backend holds it. */
  void end() {
    crash("it was destroyed");
    scheduler.quiesce(vcpus, () -> paging().detach());
  }

  /** Lets the domain die, at the next safe point of each vCPU; the first reason stands. */
  synchronized void crash(String reason) {
    if (crashReason == null) {
      crashReason = reason;
    }
  }

  GuestFrames guestFrames() {
    return frames;
  }

  /** Where the guest's tables lie; null if its entries hold machine addresses. */
  @Nullable FrameMapper tableFrames() {
    return isIdentity() ? null : this;
  }

  @Override
  public int id() {
    return id;
  }

  @Override
  public Machine machine() {
    return machine;
  }

  @Override
  public int vcpus() {
    return vcpus.length;
  }

  @Override
  public Vcpu vcpu(int number) {
    return vcpus[number];
  }

  @Override
  public @Mfn long gfnToMfn(@Gfn long gfn) {
    return frames.toMachine(gfn);
  }

  @Override
  public @Mfn long toMachine(@Gfn long gfn) {
    return frames.toMachine(gfn);
  }

  @Override
  public @Gfn long mfnToGfn(@Mfn long mfn) {
    return frames.toGuest(mfn);
  }

  @Override
  public DomainSpec spec() {
    return spec;
  }

  @Override
  public boolean isIdentity() {
    return frames.isIdentity();
  }

  @Override
  public boolean isTranslated() {
    return false;
  }

  @Override
  public P2m p2m() {
    throw new IllegalStateException("domain " + id + " has no p2m");
  }

  @Override
  public PagingPool pool() {
    throw new UnsupportedOperationException("not yet");
  }

  @Override
  public LogDirty logDirty() {
    throw new UnsupportedOperationException("not yet");
  }

  @Override
  public PagingDomain paging() {
    return attachment().paging();
  }

  @Override
  public String backend() {
    return attachment().backend().name();
  }

  private Attachment attachment() {
    Attachment now = attachment;
    if (now == null) {
      throw new IllegalStateException("domain " + id + " has no backend yet");
    }
    return now;
  }

  @Override
  public @Nullable String crashReason() {
    return crashReason;
  }

  @Override
  public void deviceStore(@Gpa long gpa, int bytes, long value) {
    @Gfn long gfn = Addresses.gpaToGfn(gpa);
    @Mfn long mfn = gfnToMfn(gfn);
    if (mfn != NONE) {
      machine.memory().store(machineAddress(mfn, gpa), bytes, value);
      paging().guestMemoryChanged(gfn, 1);
    }
  }

  @Override
  public void deviceStoreFrame(@Gfn long gfn, long[] content) {
    if (content.length != PhysicalMemory.FRAME_LONGS) {
      throw new IllegalArgumentException(content.length + " quadwords are no frame");
    }
    @Mfn long mfn = gfnToMfn(gfn);
    if (mfn == NONE) {
      return;
    }
    for (int i = 0; i < content.length; i++) {
      machine.memory().store(Addresses.mfnToMaddr(mfn, (long) i << 3), 8, content[i]);
    }
    paging().guestMemoryChanged(gfn, 1);
  }

  @Override
  public long deviceLoad(@Gpa long gpa, int bytes) {
    @Mfn long mfn = gfnToMfn(Addresses.gpaToGfn(gpa));
    return mfn == NONE
        ? NOTHING >>> Long.SIZE - bytes * Byte.SIZE
        : machine.memory().load(machineAddress(mfn, gpa), bytes);
  }

  private static @Maddr long machineAddress(@Mfn long mfn, @Gpa long gpa) {
    return Addresses.mfnToMaddr(mfn, Addresses.pageOffset(gpa));
  }

  /** A PDPTE, for register writes that the hypervisor does in the hardware's place. */
  @Override
  public long load(long address) {
    return deviceLoad(Addresses.gpa(address), Long.BYTES);
  }
}
