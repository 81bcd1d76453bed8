// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.hypervisor.GuestFrames.Run;
import dev.quire.hypervisor.frames.TypeFlushes;
import dev.quire.hypervisor.p2m.MachineToPhysical;
import dev.quire.hypervisor.pool.DomainPool;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The machine's frames: which are free, whose the others are. Safe for use by several threads. */
final class MachineFrames {
  private final PhysicalMemory memory;
  private final FrameAllocator allocator;
  private final MachineToPhysical m2p;
  private @Nullable TypedMemory typed;

  MachineFrames(Machine machine) {
    memory = machine.memory();
    allocator = new FrameAllocator(memory.ram());
    m2p = new MachineToPhysical(end(memory.ram()));
  }

  private static long end(List<Ram> ram) {
    return ram.stream().mapToLong(it -> it.start() + it.length()).max().orElse(0)
        >>> Addresses.PAGE_SHIFT;
  }

  /**
   * Takes frames for a domain's memory and wipes them.
   *
   * @throws IllegalArgumentException if there are no such frames
   */
  GuestFrames take(DomainSpec spec) {
    GuestFrames frames;
    synchronized (allocator) {
      frames = Placing.place(spec, allocator);
    }
    for (int i = 0; i < frames.size(); i++) {
      scrub(frames.run(i));
    }
    return frames;
  }

  /** Nobody shall read what another left; a frame without a home is zero as it is. */
  private void scrub(Run run) {
    for (long i = 0; i < run.count(); i++) {
      @Mfn long mfn = Addresses.advance(run.mfn(), i);
      if (memory.isHome(mfn)) {
        Arrays.fill(memory.frame(mfn), 0);
      }
    }
  }

  /** Takes a domain's memory back; what another domain has mapped follows when it has not. */
  void release(GuestFrames frames) {
    for (int i = 0; i < frames.size(); i++) {
      m2p.release(frames.run(i).mfn(), frames.run(i).count(), allocator);
    }
  }

  /** Notes whose frames these are: from now on a p2m of the domain may map them. */
  void own(GuestFrames frames, int domain) {
    for (int i = 0; i < frames.size(); i++) {
      m2p.give(frames.run(i).mfn(), frames.run(i).count(), domain);
    }
  }

  /** The contrary: they are in no p2m any more. */
  void disown(GuestFrames frames) {
    for (int i = 0; i < frames.size(); i++) {
      m2p.take(frames.run(i).mfn(), frames.run(i).count());
    }
  }

  MachineToPhysical m2p() {
    return m2p;
  }

  /**
   * The memory of domains whose frames have types.
   *
   * @param flushes makes CPUs forget what they hold of a frame whose type changes
   */
  synchronized TypedMemory typed(Shootdown shootdown, TypeFlushes flushes) {
    TypedMemory now = typed;
    if (now == null) {
      @Mfn long end = Addresses.mfn(end(memory.ram()));
      now = new TypedMemory(memory, allocator, end, shootdown, flushes);
      typed = now;
    }
    return now;
  }

  /** An empty pool for a domain. */
  DomainPool pool(int domain) {
    return new DomainPool(allocator, memory, m2p, domain);
  }

  /** How many frames nobody has. */
  long free() {
    return allocator.free();
  }
}
