// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.hw.Cpu;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The hypervisor as the guest interface of one domain sees it. */
final class InterfaceHost implements DomainHost {
  private final GuestDomain domain;
  private final Map<Integer, GuestDomain> domains;
  private final TypedMemory memory;
  private final Scheduler scheduler;
  private final GuestPolicy policy;
  private final boolean flushesByVpid;

  InterfaceHost(
      GuestDomain domain,
      Map<Integer, GuestDomain> domains,
      TypedMemory memory,
      Scheduler scheduler,
      GuestPolicy policy) {
    this.domain = domain;
    this.domains = domains;
    this.memory = memory;
    this.scheduler = scheduler;
    this.policy = policy;
    flushesByVpid =
        domain.machine().profile().vendor() == Vendor.INTEL
            && domain.machine().profile().has(Feature.VPID);
  }

  @Override
  public Domain domain() {
    return domain;
  }

  @Override
  public FrameTable frames() {
    return memory.frames();
  }

  @Override
  public GuestPolicy policy() {
    return policy;
  }

  @Override
  public @Mfn long allocate(long flags) {
    return memory.allocate(domain.id(), 0, flags);
  }

  @Override
  public @Mfn long allocateOrder(int order) {
    return memory.allocate(domain.id(), order, 0);
  }

  @Override
  public long machineToPhysical(@Mfn long mfn) {
    return memory.m2p().get(mfn);
  }

  @Override
  public void machineToPhysical(@Mfn long mfn, long value) {
    memory.m2p().set(mfn, value);
    dirtied(mfn); // what it was called before has its own bit
  }

  @Override
  public long machineToPhysicalEntry() {
    return memory.m2p().entry();
  }

  @Override
  public void written(@Maddr long address, int bytes) {
    dirtied(Addresses.maddrToMfn(address));
    Attachment now = domain.attachment();
    if (now != null) {
      now.paging().machineMemoryWritten(address, bytes);
    }
  }

  @Override
  public void tableEnding(@Mfn long mfn) {
    dirtied(mfn); // as in Xen: what a table was is the guest's memory again
    Attachment now = domain.attachment();
    if (now != null) {
      now.paging().tableEnding(mfn);
    }
  }

  /** The log is seldom on, and names cost a look into the machine-to-physical table. */
  private void dirtied(@Mfn long mfn) {
    if (domain.tables().isLogging()) {
      domain.dirtied(domain.mfnToGfn(mfn));
    }
  }

  @Override
  public boolean forceMitigation() {
    PagingBackend mitigation = policy.mitigation();
    return mitigation != null && domain.force(mitigation);
  }

  @Override
  public void flush(int vcpu) {
    scheduler.shootdown().one(scheduler.number(vcpu));
  }

  @Override
  public void flushLinear(int vcpu, @Gva long linear) {
    scheduler.shootdown().linear(scheduler.number(vcpu), domain.vcpu(vcpu), linear);
  }

  @Override
  public void flushAll() {
    scheduler.shootdown().first(scheduler.used(domain.vcpus()));
  }

  @Override
  public void flushLinearAll(@Gva long linear) {
    for (int vcpu = 0; vcpu < domain.vcpus(); vcpu++) {
      flushLinear(vcpu, linear);
    }
  }

  @Override
  public void rootChanged(int number) {
    GuestVcpu vcpu = domain.vcpu(number);
    vcpu.mode().updateCr3(vcpu, false);
    Cpu cpu = domain.machine().cpu(scheduler.number(number));
    if (flushesByVpid) {
      cpu.invvpidContextNonGlobal(vcpu.control().tag());
    } else {
      cpu.flushTag(vcpu.control().tag());
    }
  }

  @Override
  public void crash(String reason) {
    domain.crash("domain " + domain.id() + ": " + reason);
  }

  @Override
  public boolean exists(int id) {
    return domains.containsKey(id);
  }

  @Override
  public @Nullable InterfaceDomain peer(int id) {
    GuestDomain other = domains.get(id);
    return other == null ? null : other.guestInterface();
  }

  @Override
  public List<InterfaceDomain> peers() {
    return domains.values().stream()
        .map(GuestDomain::guestInterface)
        .flatMap(Stream::ofNullable)
        .toList();
  }
}
