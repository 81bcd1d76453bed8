// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import dev.quire.paging.hap.EptBackend;
import dev.quire.paging.hap.NptBackend;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a guest runs on in tests: a machine that has nested paging of both makers, a backend, a way
 * of lying in memory. As the launcher would build it.
 */
public record Host(
    String backend,
    Placement placement,
    int largestOrder,
    @Nullable TlbGeometry tlb,
    int physicalBits) {

  private static final List<PagingBackend> BACKENDS =
      List.of(new NativeBackend(), new NptBackend(), new EptBackend());

  private static final long TABLES = 64L << 20;

  /** The guest owns the bare machine. */
  public static Host bare(@Nullable TlbGeometry tlb) {
    return new Host("native", Placement.IDENTITY, 0, tlb, 40);
  }

  /** The guest's frames are scattered. */
  public static Host nested(String backend, int largestOrder, @Nullable TlbGeometry tlb) {
    return new Host(backend, Placement.SCATTERED, largestOrder, tlb, 40);
  }

  public Host placed(Placement other) {
    return new Host(backend, other, largestOrder, tlb, physicalBits);
  }

  public Host wide(int bits) {
    return new Host(backend, placement, largestOrder, tlb, bits);
  }

  /** Runs a workload to its end. */
  public World run(Workload workload) {
    Hypervisor hypervisor = hypervisor(workload.needs());
    Domain domain = hypervisor.createDomain(named(backend), spec(workload.needs()));
    WorkloadReport report = workload.run(domain, new Swaps(hypervisor), WorkloadMonitor.NONE);
    return new World(domain, report);
  }

  /** A domain without a control domain. */
  Domain domain(Workload.Needs needs) {
    return hypervisor(needs).createDomain(named(backend), spec(needs));
  }

  private DomainSpec spec(Workload.Needs needs) {
    return new DomainSpec(needs.vcpus(), needs.memory(), placement, largestOrder, 0, 1);
  }

  private Hypervisor hypervisor(Workload.Needs needs) {
    CpuProfile profile = new CpuProfile(Vendor.INTEL, physicalBits, CpuProfile.allOfBoth());
    MachineSpec machine = MachineSpec.bare(profile).withRam(ram(spec(needs))).withTlb(tlb);
    return new StandardHypervisorFactory().create(new X86MachineFactory().create(machine));
  }

  private static List<Ram> ram(DomainSpec guest) {
    if (guest.placement() != Placement.IDENTITY) {
      return List.of(new Ram(0, (guest.frames() << 12) + guest.frames() / 8 * 4096 + TABLES));
    }
    List<Ram> ram = new ArrayList<>(guest.memory());
    ram.add(new Ram(ram.get(ram.size() - 1).end(), (guest.frames() / 8 << 12) + TABLES));
    return ram;
  }

  private static PagingBackend named(String name) {
    return BACKENDS.stream().filter(it -> it.name().equals(name)).findFirst().orElseThrow();
  }

  /** A control domain that can swap between all there are. */
  private record Swaps(Hypervisor hypervisor) implements Toolstack {
    @Override
    public List<String> backends(Domain domain) {
      return BACKENDS.stream()
          .filter(
              it -> !it.features().contains(PagingBackend.Feature.IDENTITY) || domain.isIdentity())
          .map(PagingBackend::name)
          .toList();
    }

    @Override
    public void swap(Domain domain, String backend) throws BackendUnavailableException {
      hypervisor.swap(domain, named(backend));
    }
  }
}
