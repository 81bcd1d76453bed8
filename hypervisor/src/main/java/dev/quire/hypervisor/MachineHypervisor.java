// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingBackend;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Consumer;

/** The hypervisor of one machine: gives out its frames and keeps its domains. */
final class MachineHypervisor implements Hypervisor {
  private final Machine machine;
  private final Scheduler scheduler;
  private final MachineFrames frames;
  private final Map<Integer, GuestDomain> domains = new ConcurrentSkipListMap<>();
  private int nextId;

  MachineHypervisor(Machine machine) {
    this.machine = machine;
    this.scheduler = new Scheduler(machine);
    this.frames = new MachineFrames(machine);
  }

  @Override
  public synchronized Domain createDomain(PagingBackend backend, DomainSpec spec) {
    return create(backend, spec, domain -> {});
  }

  @Override
  public synchronized Domain createDomain(
      PagingBackend backend, DomainSpec spec, GuestInterface guest, GuestPolicy policy) {
    TypedMemory typed = typed();
    return create(
        backend,
        spec,
        domain -> {
          domain.tables().adopt(typed);
          InterfaceHost host = new InterfaceHost(domain, domains, typed, scheduler, policy);
          domain.guestInterface(guest.take(host));
        });
  }

  private TypedMemory typed() {
    return frames.typed(scheduler.shootdown(), this::typeChanged);
  }

  @Override
  public FrameTable frames() {
    return typed().frames();
  }

  private Domain create(
      PagingBackend backend, DomainSpec spec, Consumer<GuestDomain> beforeAttach) {
    GuestFrames taken = frames.take(spec);
    GuestDomain domain = new GuestDomain(nextId, machine, scheduler, spec, frames, taken);
    domains.put(nextId, domain);
    try {
      beforeAttach.accept(domain);
      domain.attach(backend);
    } catch (RuntimeException refused) {
      domains.remove(nextId);
      domain.dissolve();
      throw refused;
    }
    nextId++;
    return domain;
  }

  /** A frame of a domain has become something else: no CPU of the domain holds what it was. */
  private void typeChanged(int owner, int stamp, boolean fromTable) {
    GuestDomain domain = domains.get(owner);
    if (domain != null) {
      scheduler.shootdown().since(scheduler.used(domain.vcpus()), stamp);
    }
  }

  @Override
  public synchronized void swap(Domain domain, PagingBackend backend) {
    ours(domain).attach(backend);
  }

  @Override
  public synchronized void destroy(Domain domain) {
    GuestDomain ours = ours(domain);
    ours.end();
    ours.dissolve();
    domains.remove(ours.id());
  }

  private GuestDomain ours(Domain domain) {
    if (domain instanceof GuestDomain ours && domains.get(ours.id()) == ours) {
      return ours;
    }
    throw new IllegalArgumentException("domain " + domain.id() + " is not, or no longer, ours");
  }

  /** How many frames belong to no domain. */
  long freeFrames() {
    return frames.free();
  }
}
