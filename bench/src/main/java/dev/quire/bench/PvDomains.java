// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import java.util.List;

/** Makes PV domains to be measured, each on a machine of its own with one CPU. */
public final class PvDomains {
  private PvDomains() {}

  /** A domain of one vCPU. */
  public static Domain create(long frames) {
    MachineFactory machines = Services.only(MachineFactory.class);
    MachineSpec bare = MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.INTEL, 40));
    Machine machine =
        machines.create(
            new MachineSpec(
                bare.profile(),
                1,
                List.of(new Ram(0, (2 * frames + 64) << 12)),
                machines.presets().values().iterator().next().geometry(),
                null,
                1,
                false));
    return Services.only(HypervisorFactory.class)
        .create(machine)
        .createDomain(
            Services.first(PagingBackend.class, backend -> backend.name().equals("pv")),
            DomainSpec.hvm(1, frames),
            Services.only(GuestInterface.class),
            GuestPolicy.PLAIN);
  }
}
