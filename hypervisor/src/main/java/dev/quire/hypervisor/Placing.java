// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.hypervisor.GuestFrames.Run;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Finds machine frames for the memory of one domain, as its specification asks. */
final class Placing {
  private final DomainSpec spec;
  private final FrameAllocator allocator;

  /** The largest mapping that the ranges allow: frames are placed so that it stays possible. */
  private final long block;

  private final List<Run> runs = new ArrayList<>();

  private Placing(DomainSpec spec, FrameAllocator allocator) {
    this.spec = spec;
    this.allocator = allocator;
    this.block = 1L << order(spec);
  }

  /**
   * Takes frames.
   *
   * @throws IllegalArgumentException if there are no such frames; nothing was taken then
   */
  static GuestFrames place(DomainSpec spec, FrameAllocator allocator) {
    Placing placing = new Placing(spec, allocator);
    try {
      switch (spec.placement()) {
        case IDENTITY -> placing.identity();
        case CONTIGUOUS -> placing.contiguous();
        case SCATTERED -> placing.scattered();
      }
    } catch (IllegalArgumentException refused) {
      placing.runs.forEach(run -> allocator.release(run.mfn(), run.count()));
      throw refused;
    }
    return new GuestFrames(placing.runs);
  }

  /** The largest order up to that of the specification that fits into any of its ranges. */
  private static int order(DomainSpec spec) {
    int order = spec.largestOrder();
    while (order > 0 && !fits(spec, 1L << order)) {
      order -= 9;
    }
    return order;
  }

  private static boolean fits(DomainSpec spec, long block) {
    return spec.memory().stream()
        .anyMatch(range -> first(range) + (-first(range) & block - 1) + block <= end(range));
  }

  private static long first(Ram range) {
    return range.start() >>> Addresses.PAGE_SHIFT;
  }

  private static long end(Ram range) {
    return range.start() + range.length() >>> Addresses.PAGE_SHIFT;
  }

  private void identity() {
    for (Ram range : spec.memory()) {
      @Mfn long mfn = Addresses.mfn(first(range));
      long count = end(range) - first(range);
      if (!allocator.take(mfn, count)) {
        throw new IllegalArgumentException(
            String.format(
                "the machine frames 0x%x to 0x%x are not all free RAM", mfn, mfn + count - 1));
      }
      runs.add(new Run(Addresses.identityMfnToGfn(mfn), mfn, count));
    }
  }

  private void contiguous() {
    for (Ram range : spec.memory()) {
      @Gfn long gfn = Addresses.gfn(first(range));
      long count = end(range) - gfn;
      runs.add(new Run(gfn, allocate(count, gfn), count));
    }
  }

  private @Mfn long allocate(long count, long place) {
    @Mfn long mfn = allocator.allocate(count, block, place & block - 1);
    if (mfn == FrameMapper.NONE) {
      String blocks = block == 1 ? "" : " at the same place in blocks of " + block;
      throw new IllegalArgumentException(
          count + " frames in a row" + blocks + " are not there; free are " + allocator.free());
    }
    return mfn;
  }

  /** One block of machine frames for each block of guest frames, at random; what is over goes. */
  private void scattered() {
    List<Long> blocks = guestBlocks();
    List<Run> taken = new ArrayList<>();
    try {
      for (long guest : blocks) {
        taken.add(new Run(Addresses.gfn(guest), allocate(block, 0), block));
      }
    } catch (IllegalArgumentException refused) {
      taken.forEach(run -> allocator.release(run.mfn(), run.count()));
      throw refused;
    }
    long[] machine = taken.stream().mapToLong(Run::mfn).toArray();
    shuffle(machine, blocks);
    for (long mfn : machine) {
      allocator.release(Addresses.mfn(mfn), block);
    }
    for (Ram range : spec.memory()) {
      scattered(range, blocks, machine);
    }
  }

  private void scattered(Ram range, List<Long> blocks, long[] machine) {
    long gfn = first(range);
    int at = java.util.Collections.binarySearch(blocks, gfn & -block);
    while (gfn < end(range)) {
      long count = Math.min(end(range), (gfn & -block) + block) - gfn;
      @Mfn long mfn = Addresses.mfn(machine[at] + (gfn & block - 1));
      if (!allocator.take(mfn, count)) {
        throw new IllegalStateException("frames that were free a moment ago are not");
      }
      runs.add(new Run(Addresses.gfn(gfn), mfn, count));
      gfn += count;
      at++;
    }
  }

  /** First frames of the blocks that the ranges touch, ascending. */
  private List<Long> guestBlocks() {
    List<Long> blocks = new ArrayList<>();
    for (Ram range : spec.memory()) {
      for (long guest = first(range) & -block; guest < end(range); guest += block) {
        if (blocks.isEmpty() || blocks.get(blocks.size() - 1) < guest) {
          blocks.add(guest);
        }
      }
    }
    return blocks;
  }

  /** A random order in which, if there are two at all, no frame is where its number says. */
  private void shuffle(long[] machine, List<Long> guest) {
    Random random = new Random(spec.seed());
    for (int i = machine.length - 1; i > 0; i--) {
      swap(machine, i, random.nextInt(i + 1));
    }
    for (int i = 0; i < machine.length; i++) {
      if (machine[i] == guest.get(i)) {
        swap(machine, i, (i + 1) % machine.length);
      }
    }
  }

  private static void swap(long[] numbers, int one, int other) {
    long number = numbers[one];
    numbers[one] = numbers[other];
    numbers[other] = number;
  }
}
