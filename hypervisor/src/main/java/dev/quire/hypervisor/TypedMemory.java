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
  private final Shootdown shootdown;

  /** When a frame was freed last, on the clock of flushes; a time that has not come for never. */
  private volatile int lastFreed = -1;

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
    this.shootdown = shootdown;
    allocator.beforeUse(this::forgetFreed);
  }

  private void freed(long mfn) {
    m2p.set(Addresses.mfn(mfn), -1);
    synchronized (this) { // so that the time never goes back
      lastFreed = shootdown.clock().now();
    }
    allocator.release(Addresses.mfn(mfn), 1);
  }

  /** Nobody writes by a stale translation what is about to be another's. */
  private void forgetFreed() {
    shootdown.allSince(lastFreed);
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

  /**
   * Frames of zeros more for a domain, in a row at a multiple of their number.
   *
   * @param order the binary logarithm of how many
   * @return the first, or {@link FrameMapper#NONE}
   */
  @Mfn
  long allocate(int domain, int order, long flags) {
    long count = 1L << order;
    @Mfn long first = allocator.allocate(count, count, 0);
    if (first == FrameMapper.NONE || !cover(first, count)) {
      return Addresses.mfn(FrameMapper.NONE);
    }
    for (long at = 0; at < count; at++) {
      @Mfn long mfn = Addresses.advance(first, at);
      if (memory.isHome(mfn)) {
        Arrays.fill(memory.frame(mfn), 0);
      }
      frames.assign(mfn, domain, FrameWords.ALLOCATED | flags);
    }
    return first;
  }

  private boolean cover(@Mfn long first, long count) {
    try {
      for (long at = 0; at < count; at++) {
        m2p.cover(Addresses.advance(first, at));
      }
      return true;
    } catch (IllegalArgumentException full) {
      allocator.release(first, count);
      return false;
    }
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
