// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/** The hypervisor of one machine: gives out its frames and keeps its domains. */
final class MachineHypervisor implements Hypervisor {
  private final Machine machine;
  private final Scheduler scheduler;
  private final FrameAllocator allocator;
  private final Set<GuestDomain> domains = new HashSet<>();
  private int nextId;

  MachineHypervisor(Machine machine) {
    this.machine = machine;
    this.scheduler = new Scheduler(machine);
    this.allocator = new FrameAllocator(machine.memory().ram());
  }

  @Override
  public synchronized Domain createDomain(PagingBackend backend, DomainSpec spec) {
    GuestFrames frames = Placing.place(spec, allocator);
    try {
      forEachRun(frames, this::scrub);
      GuestDomain domain = new GuestDomain(nextId, machine, scheduler, spec, frames);
      domain.attach(backend);
      domains.add(domain);
      nextId++;
      return domain;
    } catch (RuntimeException refused) {
      forEachRun(frames, allocator::release);
      throw refused;
    }
  }

  /** Does something with machine frames in a row. */
  @FunctionalInterface
  private interface RunAction {
    void accept(@Mfn long first, long count);
  }

  private static void forEachRun(GuestFrames frames, RunAction action) {
    for (int i = 0; i < frames.size(); i++) {
      action.accept(frames.run(i).mfn(), frames.run(i).count());
    }
  }

  /** Nobody shall read what another left; a frame without a home is zero as it is. */
  private void scrub(@Mfn long first, long frames) {
    PhysicalMemory memory = machine.memory();
    for (long i = 0; i < frames; i++) {
      @Mfn long mfn = Addresses.advance(first, i);
      if (memory.isHome(mfn)) {
        Arrays.fill(memory.frame(mfn), 0);
      }
    }
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
    forEachRun(ours.guestFrames(), allocator::release);
  }

  private GuestDomain ours(Domain domain) {
    if (domain instanceof GuestDomain ours && domains.contains(ours)) {
      return ours;
    }
    throw new IllegalArgumentException("domain " + domain.id() + " is not, or no longer, ours");
  }

  /** How many frames belong to no domain. */
  synchronized long freeFrames() {
    return allocator.free();
  }
}
