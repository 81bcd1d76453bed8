// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingBackend;
import java.util.HashSet;
import java.util.Set;

/** The hypervisor of one machine: gives out its frames and keeps its domains. */
final class MachineHypervisor implements Hypervisor {
  private final Machine machine;
  private final Scheduler scheduler;
  private final MachineFrames frames;
  private final Set<GuestDomain> domains = new HashSet<>();
  private int nextId;

  MachineHypervisor(Machine machine) {
    this.machine = machine;
    this.scheduler = new Scheduler(machine);
    this.frames = new MachineFrames(machine);
  }

  @Override
  public synchronized Domain createDomain(PagingBackend backend, DomainSpec spec) {
    GuestFrames taken = frames.take(spec);
    GuestDomain domain = new GuestDomain(nextId, machine, scheduler, spec, frames, taken);
    try {
      domain.attach(backend);
    } catch (RuntimeException refused) {
      domain.dissolve();
      throw refused;
    }
    domains.add(domain);
    nextId++;
    return domain;
  }

  @Override
  public synchronized void swap(Domain domain, PagingBackend backend) {
    ours(domain).attach(backend);
  }

  @Override
  public synchronized void destroy(Domain domain) {
    GuestDomain ours = ours(domain);
    domains.remove(ours);
    ours.end();
    ours.dissolve();
  }

  private GuestDomain ours(Domain domain) {
    if (domain instanceof GuestDomain ours && domains.contains(ours)) {
      return ours;
    }
    throw new IllegalArgumentException("domain " + domain.id() + " is not, or no longer, ours");
  }

  /** How many frames belong to no domain. */
  long freeFrames() {
    return frames.free();
  }
}
