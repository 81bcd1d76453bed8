// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The hypervisor of one machine: gives out its frames and keeps its domains. */
final class MachineHypervisor implements Hypervisor {
  private final Machine machine;
  private final Scheduler scheduler;
  private final FrameAllocator allocator;
  private final Set<Domain> domains = new HashSet<>();
  private boolean owned;
  private int nextId;

  MachineHypervisor(Machine machine) {
    this.machine = machine;
    this.scheduler = new Scheduler(machine);
    this.allocator = new FrameAllocator(machine.memory().ram());
  }

  @Override
  public synchronized Domain createOwner(PagingBackend backend, int vcpus) {
    checkVcpus(vcpus);
    if (!domains.isEmpty()) {
      throw new IllegalStateException("the machine has a domain already: it cannot have an owner");
    }
    if (vcpus > machine.cpus()) {
      throw new IllegalArgumentException(
          vcpus + " vCPUs on " + machine.cpus() + " CPUs: an owner's have one each");
    }
    GuestFrames frames = GuestFrames.everything(endOfRam(), machine.profile().physicalBits());
    Domain domain = start(frames, vcpus, backend);
    owned = true;
    return domain;
  }

  private long endOfRam() {
    List<Ram> ram = machine.memory().ram();
    if (ram.isEmpty()) {
      return 0;
    }
    Ram last = ram.get(ram.size() - 1);
    return (last.start() + last.length()) / Addresses.PAGE_SIZE;
  }

  @Override
  public synchronized Domain createDomain(PagingBackend backend, int vcpus, long frames) {
    checkVcpus(vcpus);
    if (frames < 1) {
      throw new IllegalArgumentException("a domain of " + frames + " frames");
    }
    if (owned) {
      throw new IllegalStateException("the machine has an owner: there is no frame to give away");
    }
    @Mfn long first = allocator.allocate(frames);
    if (first == FrameMapper.NONE) {
      throw new IllegalArgumentException(
          frames + " frames in a row are not there; free are " + allocator.free());
    }
    boolean identity = backend.features().contains(Feature.IDENTITY);
    try {
      scrub(first, frames);
      return start(
          identity ? GuestFrames.identity(first, frames) : GuestFrames.fromZero(first, frames),
          vcpus,
          backend);
    } catch (RuntimeException refused) {
      allocator.release(first, frames);
      throw refused;
    }
  }

  private static void checkVcpus(int vcpus) {
    if (vcpus < 1) {
      throw new IllegalArgumentException("a domain of " + vcpus + " vCPUs");
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

  private Domain start(GuestFrames frames, int vcpus, PagingBackend backend) {
    GuestDomain domain = new GuestDomain(nextId, machine, scheduler, frames, vcpus);
    domain.attach(backend);
    domains.add(domain);
    nextId++;
    return domain;
  }

  @Override
  public synchronized void destroy(Domain domain) {
    if (!domains.remove(domain)) {
      throw new IllegalArgumentException("domain " + domain.id() + " is not, or no longer, ours");
    }
    GuestDomain ours = (GuestDomain) domain;
    ours.end();
    if (owned) {
      owned = false;
    } else {
      allocator.release(ours.guestFrames().machine(), domain.frames());
    }
  }

  /** How many frames belong to no domain. */
  synchronized long freeFrames() {
    return owned ? 0 : allocator.free();
  }
}
