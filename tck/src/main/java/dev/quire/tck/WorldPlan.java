// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.x86.CpuProfile.Feature;

/**
 * A world to test in.
 *
 * @param machine what the backend runs on
 * @param domain the kind of domain that it serves
 * @param mode the guest's
 */
record WorldPlan(MachineSpec machine, DomainSpec domain, GuestMode mode) {
  /** The same machine without caches and with the RAM that the domain has, for a reference. */
  MachineSpec reference() {
    return new MachineSpec(
        machine.profile(), machine.cpus(), domain.memory(), null, null, machine.seed(), false);
  }

  /** The domain with guest frames that are machine frames, for a reference. */
  DomainSpec referenceDomain() {
    return domain.withPlacement(DomainSpec.Placement.IDENTITY);
  }

  @Override
  public String toString() {
    return String.format(
        "%s, %s, %s domain%s, %s",
        machine.profile().has(Feature.BOTH_VENDORS) ? "both vendors" : machine.profile().vendor(),
        machine.tlb() == null ? "no caching" : "TLBs",
        domain.placement(),
        domain.largestOrder() == 0 ? "" : " up to order " + domain.largestOrder(),
        mode);
  }
}
