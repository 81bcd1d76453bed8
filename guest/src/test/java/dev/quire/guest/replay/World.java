// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A machine with a recording on it, as the launcher would build it. */
final class World {
  final Domain domain;
  final WorkloadReport report;

  private World(Domain domain, WorkloadReport report) {
    this.domain = domain;
    this.report = report;
  }

  /** The TLBs that a user gets who asks for none. */
  static TlbGeometry defaultTlb() {
    return new X86MachineFactory().presets().values().iterator().next().geometry();
  }

  /**
   * Replays a trace to its end.
   *
   * @param options alternating keys and values
   */
  static World replay(Path trace, @Nullable TlbGeometry tlb, String... options) {
    Map<String, String> all = new TreeMap<>();
    all.put("trace", trace.toString());
    for (int i = 0; i < options.length; i += 2) {
      all.put(options[i], options[i + 1]);
    }
    try (Workload workload = new ReplayFactory().open(all)) {
      Domain domain = domain(workload.needs(), tlb);
      return new World(domain, workload.run(domain, Toolstack.NONE, WorkloadMonitor.NONE));
    }
  }

  /** A domain that has all of a machine with the RAM of a PC. */
  static Domain domain(Workload.Needs needs, @Nullable TlbGeometry tlb) {
    List<Ram> ranges = needs.memory();
    CpuProfile profile = CpuProfile.full(CpuProfile.Vendor.INTEL, 40);
    MachineSpec spec = MachineSpec.bare(profile).withRam(ranges).withTlb(tlb);
    Machine machine = new X86MachineFactory().create(spec);
    return new StandardHypervisorFactory()
        .create(machine)
        .createDomain(
            new NativeBackend(),
            new DomainSpec(needs.vcpus(), ranges, DomainSpec.Placement.IDENTITY, 0, 0, 1));
  }

  long counted(HwEvent event) {
    return domain.machine().cpu(0).counters().get(event);
  }

  long fact(String name) {
    return (Long) report.facts().get(name);
  }
}
