// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.hypervisor.p2m.FrameSource;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which frames of the machine nobody owns. Keeps runs of free frames, nothing for single frames, so
 * that an empty machine of any size costs one entry for each range of RAM. Safe for use by several
 * threads: pools of different domains take from it.
 */
final class FrameAllocator implements FrameSource {
  /**
   * How many frames are free from a frame on, for the first frame of each run; runs never touch.
   */
  private final TreeMap<Long, Long> runs = new TreeMap<>();

  private long free;

  /** Done before what was taken is used. */
  private volatile Runnable beforeUse = () -> {};

  /** All of RAM is free. */
  FrameAllocator(List<Ram> ram) {
    for (Ram range : ram) {
      @Mfn long first = Addresses.maddrToMfn(Addresses.maddr(range.start()));
      release(first, range.length() / Addresses.PAGE_SIZE);
    }
  }

  /**
   * Frames may come back that CPUs still hold translations of: whoever takes frames waits for this
   * first (Xen's {@code filtered_flush_tlb_mask} in {@code alloc_heap_pages}).
   */
  void beforeUse(Runnable settle) {
    beforeUse = settle;
  }

  /**
   * Takes frames in a row, the lowest there are.
   *
   * @param count how many
   * @return the first, or {@link FrameMapper#NONE} if there are no so many in a row
   */
  @Override
  public @Mfn long allocate(long count) {
    return allocate(count, 1, 0);
  }

  /**
   * Takes frames in a row, the lowest there are at a place in blocks of frames.
   *
   * @param count how many
   * @param block size of the blocks, a power of two. Unit: frames
   * @param place where in its block the first lies
   * @return the first, or {@link FrameMapper#NONE} if there are no so many in a row at such a place
   */
  @Mfn
  long allocate(long count, long block, long place) {
    @Mfn long first = find(count, block, place);
    beforeUse.run();
    return first;
  }

  private synchronized @Mfn long find(long count, long block, long place) {
    for (Map.Entry<Long, Long> run : runs.entrySet()) {
      long first = run.getKey() + (place - run.getKey() & block - 1);
      if (first + count <= run.getKey() + run.getValue()) {
        cut(run.getKey(), run.getValue(), first, count);
        return Addresses.mfn(first);
      }
    }
    return Addresses.mfn(FrameMapper.NONE);
  }

  /**
   * Takes these very frames.
   *
   * @return whether all were free; if not, nothing has changed
   */
  boolean take(@Mfn long first, long count) {
    boolean taken = cut(first, count);
    beforeUse.run();
    return taken;
  }

  private synchronized boolean cut(@Mfn long first, long count) {
    Map.Entry<Long, Long> run = runs.floorEntry(first);
    if (run == null || run.getKey() + run.getValue() < first + count) {
      return false;
    }
    cut(run.getKey(), run.getValue(), first, count);
    return true;
  }

  private void cut(long start, long length, long first, long count) {
    runs.remove(start);
    if (first > start) {
      runs.put(start, first - start);
    }
    long rest = start + length - (first + count);
    if (rest > 0) {
      runs.put(first + count, rest);
    }
    free -= count;
  }

  /**
   * Gives frames back.
   *
   * @param first the first of them
   * @param count how many
   */
  @Override
  public synchronized void release(@Mfn long first, long count) {
    long start = first;
    long end = first + count;
    Map.Entry<Long, Long> below = runs.floorEntry(start);
    Map.Entry<Long, Long> above = runs.ceilingEntry(start);
    if (below != null && below.getKey() + below.getValue() > start
        || above != null && above.getKey() < end) {
      throw new IllegalStateException(
          String.format("of the frames 0x%x to 0x%x some are free already", start, end - 1));
    }
    if (above != null && above.getKey() == end) {
      runs.remove(end);
      end += above.getValue();
    }
    if (below != null && below.getKey() + below.getValue() == start) {
      start = below.getKey();
    }
    runs.put(start, end - start);
    free += count;
  }

  /** How many frames nobody owns. */
  synchronized long free() {
    return free;
  }
}
