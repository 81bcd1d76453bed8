// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlRegisterUnit.PdpteSource;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
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
  private final GuestFrames frames;
  private final GuestVcpu[] vcpus;
  private volatile @Nullable Attachment attachment;
  private volatile @Nullable String crashReason;

  GuestDomain(int id, Machine machine, Scheduler scheduler, GuestFrames frames, int count) {
    this.id = id;
    this.machine = machine;
    this.frames = frames;
    vcpus = new GuestVcpu[count];
    for (int number = 0; number < count; number++) {
      vcpus[number] = new GuestVcpu(this, number, scheduler);
    }
  }

  /** Hands the domain to a backend; if that throws, nothing has changed. */
  void attach(PagingBackend backend) {
    PagingDomain paging = backend.attach(this);
    try {
      for (GuestVcpu vcpu : vcpus) {
        vcpu.mode(paging.updatePagingModes(vcpu));
      }
    } catch (RuntimeException refused) {
      paging.detach();
      throw refused;
    }
    attachment = new Attachment(backend, paging);
  }

  /** Ends the domain: no vCPU runs again, no backend holds it. */
  void end() {
    crash("it was destroyed");
    for (GuestVcpu vcpu : vcpus) {
      vcpu.awaitSafePoint();
    }
    paging().detach();
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
  public boolean isIdentity() {
    return frames.isIdentity();
  }

  @Override
  public @Gfn long firstFrame() {
    return frames.first();
  }

  @Override
  public long frames() {
    return frames.memory();
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
