// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.hypervisor.GuestFrames.Run;
import dev.quire.hypervisor.frames.MachineFrameTable;
import dev.quire.hypervisor.frames.TypeFlushes;
import java.util.Arrays;

/**
 * The memory of domains that know machine frames: owners, references and types in the frame table,
 * guest frames in the M2P. A frame goes back to the machine with its last reference, whoever held
 * it. Made when the first such domain is.
 */
final class TypedMemory {
  private final PhysicalMemory memory;
  private final FrameAllocator allocator;
  private final FrameTable frames;
  private final ReadOnlyM2p m2p;

  TypedMemory(
      PhysicalMemory memory,
      FrameAllocator allocator,
      @Mfn long end,
      Shootdown shootdown,
      TypeFlushes flushes) {
    this.memory = memory;
    this.allocator = allocator;
    frames = MachineFrameTable.of(end, shootdown.clock(), flushes, this::freed);
    m2p = new ReadOnlyM2p(memory, allocator);
  }

  private void freed(long mfn) {
    m2p.set(Addresses.mfn(mfn), -1);
    allocator.release(Addresses.mfn(mfn), 1);
  }

  FrameTable frames() {
    return frames;
  }

  ReadOnlyM2p m2p() {
    return m2p;
  }

  /** Makes what was taken for a domain the domain's. */
  void adopt(GuestFrames given, int domain) {
    for (int i = 0; i < given.size(); i++) {
      Run run = given.run(i);
      for (long at = 0; at < run.count(); at++) {
        @Mfn long mfn = Addresses.advance(run.mfn(), at);
        frames.assign(mfn, domain, FrameWords.ALLOCATED);
        m2p.cover(mfn);
        m2p.set(mfn, run.gfn() + at);
      }
    }
  }

  /** One frame of zeros more for a domain, or {@link FrameMapper#NONE}. */
  @Mfn
  long allocate(int domain, long flags) {
    @Mfn long mfn = allocator.allocate(1);
    if (mfn == FrameMapper.NONE) {
      return mfn;
    }
    try {
      m2p.cover(mfn);
    } catch (IllegalArgumentException full) {
      allocator.release(mfn, 1);
      return Addresses.mfn(FrameMapper.NONE);
    }
    if (memory.isHome(mfn)) {
      Arrays.fill(memory.frame(mfn), 0);
    }
    frames.assign(mfn, domain, FrameWords.ALLOCATED | flags);
    return mfn;
  }

  /** Takes a domain's own references back; what others refer to follows when they do not. */
  void release(int domain) {
    frames.forEachOwned(domain, mfn -> frames.release(Addresses.mfn(mfn)));
  }

  /** The guest frame that a machine frame is by what its owner says, or NONE. */
  @Gfn
  long toGuest(@Mfn long mfn, int domain) {
    return Addresses.gfn(frames.owner(mfn) == domain ? m2p.get(mfn) : FrameMapper.NONE);
  }
}
