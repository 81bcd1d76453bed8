// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import dev.quire.api.address.Mfn;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.Comparator;
import java.util.List;

/** Which frames are RAM. Asked only where no frame has a home, so a plain search does. */
final class RamRanges {
  private static final int PAGE_SHIFT = 12;

  /** 2^52 bytes, the widest physical address. */
  private static final long MOST_FRAMES = 1L << 52 - PAGE_SHIFT;

  private final List<Ram> ranges;

  /** First frames, ascending. */
  private final long[] first;

  /** For each range, one past its last frame. */
  private final long[] end;

  RamRanges(List<Ram> ranges) {
    this.ranges = ranges.stream().sorted(Comparator.comparingLong(Ram::start)).toList();
    first = new long[ranges.size()];
    end = new long[ranges.size()];
    long free = 0;
    for (int i = 0; i < first.length; i++) {
      Ram range = this.ranges.get(i);
      first[i] = range.start() >>> PAGE_SHIFT;
      end[i] = range.start() + range.length() >>> PAGE_SHIFT;
      if (first[i] < free) {
        throw new IllegalArgumentException(
            String.format("RAM at 0x%x overlaps another range", range.start()));
      }
      if (end[i] > MOST_FRAMES) {
        throw new IllegalArgumentException(
            String.format("RAM at 0x%x reaches beyond 2^52 bytes", range.start()));
      }
      free = end[i];
    }
  }

  /** The ranges, ascending. */
  List<Ram> ranges() {
    return ranges;
  }

  boolean contains(@Mfn long mfn) {
    for (int i = 0; i < first.length; i++) {
      if (mfn < first[i]) {
        return false;
      }
      if (mfn < end[i]) {
        return true;
      }
    }
    return false;
  }

  /** One past the highest frame that is RAM. */
  long end() {
    return end.length == 0 ? 0 : end[end.length - 1];
  }
}
