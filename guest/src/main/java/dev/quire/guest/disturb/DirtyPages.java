// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.hw.PhysicalMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which frames must be dirty since a moment: those that an operation or a device wrote, and the
 * page tables that are not what they were, for walkers set A and D bits without an operation that
 * says so. A walker's write that a later store undid is covered by that store.
 */
final class DirtyPages {
  private static final int FRAME = PhysicalMemory.FRAME_LONGS;

  private final GuestMemory memory;
  private final BitSet written = new BitSet();
  private final Map<Long, long[]> before = new TreeMap<>();
  private final @Gfn long first;
  private final long count;

  /** Of a range of frames, from now on. */
  DirtyPages(GuestMemory memory, @Gfn long first, long count) {
    this.memory = memory;
    this.first = first;
    this.count = count;
    begin();
  }

  @Gfn
  long first() {
    return first;
  }

  long count() {
    return count;
  }

  /** From now on. */
  void begin() {
    written.clear();
    before.clear();
    for (long table : memory.tables()) {
      if (covers(Addresses.gfn(table))) {
        before.put(table, Arrays.copyOf(memory.content(Addresses.gfn(table)), FRAME));
      }
    }
  }

  private boolean covers(@Gfn long gfn) {
    return gfn >= first && gfn - first < count;
  }

  void wrote(@Gfn long gfn) {
    if (covers(gfn) && !written.get((int) (gfn - first)) && memory.isRam(gfn)) {
      written.set((int) (gfn - first));
    }
  }

  /** An empty bitmap for the range. */
  long[] bitmap() {
    return new long[(int) (count + 63 >>> 6)];
  }

  /** How many frames must be dirty. */
  long size() {
    return all().cardinality();
  }

  /** The frames that must be dirty and are not in the bitmap, in words. */
  List<String> missing(long[] bitmap) {
    BitSet lost = all();
    lost.andNot(BitSet.valueOf(bitmap));
    List<String> sentences = new ArrayList<>();
    for (int i = lost.nextSetBit(0); i >= 0; i = lost.nextSetBit(i + 1)) {
      String how = written.get(i) ? "written" : "a page table whose A or D bits were set,";
      sentences.add(String.format("gfn 0x%x was %s but is not in the bitmap", first + i, how));
    }
    return sentences;
  }

  private BitSet all() {
    BitSet all = (BitSet) written.clone();
    before.forEach(
        (gfn, content) -> {
          if (!Arrays.equals(content, memory.content(Addresses.gfn(gfn)))) {
            all.set((int) (gfn - first));
          }
        });
    return all;
  }
}
