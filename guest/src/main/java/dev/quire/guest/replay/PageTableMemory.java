// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.guest.trace.TraceReader;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** The guest's page tables as the recording says they are, the walker's stores included. */
final class PageTableMemory {
  private final Map<Long, long[]> frames = new TreeMap<>();

  /** The frames that the recording follows now, in ascending order. */
  Map<Long, long[]> frames() {
    return frames;
  }

  void page(TraceReader reader) {
    frames.put(reader.frame(), reader.page().clone());
  }

  void retire(@Gfn long frame) {
    frames.remove(frame);
  }

  void store(TraceReader reader) {
    int bytes = reader.storeBytes();
    for (int i = 0; i < reader.storeCount(); i++) {
      store(Addresses.advance(reader.physical(), (long) i * bytes), bytes, reader.value());
    }
  }

  /** Stores lie within a quadword or cross into the next. */
  private void store(@Gpa long gpa, int bytes, long value) {
    for (int i = 0; i < bytes; i++) {
      @Gpa long at = Addresses.advance(gpa, i);
      long[] frame = frames.get(Addresses.gpaToGfn(at));
      if (frame != null) {
        int shift = 8 * (int) (at & 7);
        int index = (int) Addresses.pageOffset(at) >> 3;
        frame[index] = frame[index] & ~(0xFFL << shift) | (value >>> 8 * i & 0xFF) << shift;
      }
    }
  }

  /** Whether the recording knows what is at an address. */
  boolean knows(@Gpa long gpa) {
    return frames.containsKey(Addresses.gpaToGfn(gpa));
  }

  /** An aligned entry of 4 or 8 bytes; the recording must know it. */
  long load(@Gpa long gpa, int bytes) {
    long[] frame = frames.get(Addresses.gpaToGfn(gpa));
    if (frame == null) {
      throw new IllegalArgumentException("not a page table: " + Arrays.asList(gpa, bytes));
    }
    long quadword = frame[(int) Addresses.pageOffset(gpa) >> 3];
    return bytes == 8 ? quadword : quadword >>> 8 * (int) (gpa & 4) & 0xFFFF_FFFFL;
  }
}
