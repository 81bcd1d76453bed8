// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Which frames of the machine nobody owns. Keeps runs of free frames, nothing for single frames, so
 * that an empty machine of any size costs one entry for each range of RAM. Not safe for use by
 * several threads.
 */
final class FrameAllocator {
  /**
   * How many frames are free from a frame on, for the first frame of each run; runs never touch.
   */
  private final TreeMap<Long, Long> runs = new TreeMap<>();

  private long free;

  /** All of RAM is free. */
  FrameAllocator(List<Ram> ram) {
    for (Ram range : ram) {
      @Mfn long first = Addresses.maddrToMfn(Addresses.maddr(range.start()));
      release(first, range.length() / Addresses.PAGE_SIZE);
    }
  }

  /**
   * Takes frames in a row, the lowest there are.
   *
   * @param count how many
   * @return the first, or {@link FrameMapper#NONE} if there are no so many in a row
   */
  @Mfn
  long allocate(long count) {
    long first = lowestRunOf(count);
    if (first != FrameMapper.NONE) {
      long length = Objects.requireNonNull(runs.remove(first));
      if (length > count) {
        runs.put(first + count, length - count);
      }
      free -= count;
    }
    return Addresses.mfn(first);
  }

  private long lowestRunOf(long count) {
    for (Map.Entry<Long, Long> run : runs.entrySet()) {
      if (run.getValue() >= count) {
        return run.getKey();
      }
    }
    return FrameMapper.NONE;
  }

  /**
   * Gives frames back.
   *
   * @param first the first of them
   * @param count how many
   */
  void release(@Mfn long first, long count) {
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
  long free() {
    return free;
  }
}
