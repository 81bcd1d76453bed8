// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.Resolution;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A domain. Its attachment is the slot of the active backend: read once for each block or exit, set
 * at safe points only.
 */
final class GuestDomain implements Domain {
  private final int id;
  private final Machine machine;
  private final DomainSpec spec;
  private final GuestFrames frames;
  private final GuestMemory memory;
  private final DomainTables tables;
  private final Scheduler scheduler;
  private final GuestVcpu[] vcpus;
  private final PagingHistory history = new PagingHistory();
  private volatile @Nullable Attachment attachment;
  private volatile @Nullable String crashReason;
  private volatile @Nullable PagingBackend forced;

  /** Set once, before any backend; the paging mode may change, this never does. */
  private volatile @Nullable InterfaceDomain guestInterface;

  GuestDomain(
      int id,
      Machine machine,
      Scheduler scheduler,
      DomainSpec spec,
      MachineFrames machineFrames,
      GuestFrames frames) {
    this.id = id;
    this.machine = machine;
    this.spec = spec;
    this.frames = frames;
    this.memory = new GuestMemory(machine.memory(), frames, gfn -> dirtied(Addresses.gfn(gfn)));
    this.tables = new DomainTables(this, machineFrames);
    this.scheduler = scheduler;
    vcpus = new GuestVcpu[spec.vcpus()];
    for (int number = 0; number < vcpus.length; number++) {
      vcpus[number] = new GuestVcpu(this, number, scheduler);
    }
  }

  // ---- beginning, end, and the backend between ----

  /**
   * Hands the domain to a backend, with every vCPU at a safe point; if that throws, nothing has
   * changed and the backend before goes on.
   */
  void attach(PagingBackend backend) {
    quiesce(() -> Handover.perform(this, backend));
  }

  /**
   * From the next safe point on the domain is this backend's, for good.
   *
   * @return false if it is already
   */
  boolean force(PagingBackend backend) {
    forced = backend;
    return isHandoverDue();
  }

  /** Whether the domain shall be with another backend than it is. */
  boolean isHandoverDue() {
    PagingBackend wanted = forced;
    Attachment now = attachment;
    return wanted != null && (now == null || now.backend() != wanted);
  }

  /** Which backend alone may have the domain; null if any may. */
  @Nullable PagingBackend forced() {
    return forced;
  }

  /** Does what is due; called with no CPU's lock held. */
  void handOver() {
    PagingBackend wanted = forced;
    if (wanted == null || !isHandoverDue()) {
      return;
    }
    try {
      attach(wanted);
    } catch (BackendUnavailableException refused) {
      crash(wanted.name() + " shall run the domain, and cannot: " + refused.getMessage());
    }
  }

  /** Does something while no vCPU of the domain is running. */
  void quiesce(Runnable action) {
    scheduler.quiesce(vcpus, action);
  }

  @Nullable Attachment attachment() {
    return attachment;
  }

  void attachment(Attachment now) {
    attachment = now;
  }

  /** Drops all that its CPUs have cached; no vCPU is running. */
  void flushCpus() {
    scheduler.flush(vcpus);
  }

  /** The p2m has changed: no CPU uses what it derived from it before. */
  void forgetP2m() {
    scheduler.forgetP2m(vcpus);
  }

  /** Ends the domain: no vCPU runs again, no backend holds it. */
  void end() {
    crash("it was destroyed");
    quiesce(
        () -> {
          tables.stopLogging();
          flushCpus();
          paging().detach();
        });
  }

  /** Gives everything back that the domain had of the machine. */
  void dissolve() {
    InterfaceDomain guest = guestInterface;
    while (guest != null && guest.relinquish() == Errno.ERESTART) {
      Thread.onSpinWait(); // another domain's vCPU could run here
    }
    tables.dissolve();
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

  GuestMemory memory() {
    return memory;
  }

  DomainTables tables() {
    return tables;
  }

  PagingHistory history() {
    return history;
  }

  /** A guest frame was written without the hardware's knowledge. */
  void dirtied(@Gfn long gfn) {
    tables.dirtied(gfn);
  }

  /** Where the guest's tables lie; null if its entries hold machine addresses. */
  @Nullable FrameMapper tableFrames() {
    return guestInterface != null || memory.p2m() == null && frames.isIdentity() ? null : memory;
  }

  void guestInterface(InterfaceDomain taken) {
    guestInterface = taken;
  }

  @Override
  public @Nullable InterfaceDomain guestInterface() {
    return guestInterface;
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
  public GuestVcpu vcpu(int number) {
    return vcpus[number];
  }

  @Override
  public @Mfn long gfnToMfn(@Gfn long gfn) {
    return memory.toMachine(gfn);
  }

  @Override
  public @Gfn long mfnToGfn(@Mfn long mfn) {
    return tables.toGuest(mfn);
  }

  @Override
  public DomainSpec spec() {
    return spec;
  }

  @Override
  public boolean isIdentity() {
    return guestInterface == null && tables.isIdentity();
  }

  @Override
  public boolean isTranslated() {
    return memory.p2m() != null;
  }

  @Override
  public P2m p2m() {
    P2m now = memory.p2m();
    if (now == null) {
      throw new IllegalStateException("domain " + id + " has no p2m");
    }
    return now;
  }

  @Override
  public PagingPool pool() {
    return tables.pool();
  }

  @Override
  public LogDirty logDirty() {
    return tables.logDirty();
  }

  @Override
  public PagingDomain paging() {
    return attached().paging();
  }

  @Override
  public String backend() {
    return attached().backend().name();
  }

  @Override
  public Map<String, Map<String, Long>> statistics() {
    return history.with(attached());
  }

  private Attachment attached() {
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
  public Resolution nestedFault(Vcpu vcpu) {
    return NestedFaults.resolve(vcpus[vcpu.number()]);
  }

  @Override
  public void deviceStore(@Gpa long gpa, int bytes, long value) {
    if (memory.store(gpa, bytes, value)) {
      paging().guestMemoryWritten(gpa, bytes);
    }
  }

  @Override
  public void deviceStoreFrame(@Gfn long gfn, long[] content) {
    if (content.length != PhysicalMemory.FRAME_LONGS) {
      throw new IllegalArgumentException(content.length + " quadwords are no frame");
    }
    if (memory.storeFrame(gfn, content)) {
      paging().guestMemoryChanged(gfn, 1);
    }
  }

  @Override
  public long deviceLoad(@Gpa long gpa, int bytes) {
    return memory.load(gpa, bytes);
  }
}
