// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;

/**
 * How many shadow entries map each frame, and how many of them writable: the references that {@code
 * shadow_get_page_from_l1e} takes. A frame without a writable mapping can still be written through
 * a TLB; so for each it is known whether all CPUs were flushed since the last such mapping went
 * ({@code tlbflush_timestamp}).
 */
final class DataFrames {
  private final FrameInts mapped = new FrameInts();
  private final FrameInts writable = new FrameInts();
  private final FrameInts writableUntil = new FrameInts();
  private final Shootdown shootdown;
  private final long end;

  DataFrames(PhysicalMemory memory, Shootdown shootdown) {
    this.shootdown = shootdown;
    long last = 0;
    for (Ram range : memory.ram()) {
      last = Math.max(last, range.start() + range.length());
    }
    this.end = last >>> Addresses.PAGE_SHIFT;
  }

  /** The frame that a present last-level entry maps. */
  static @Mfn long mfn(long entry) {
    return Addresses.mfn((entry & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT);
  }

  static boolean isWritable(long entry) {
    boolean both = (entry & (PageEntry.P | PageEntry.RW)) == (PageEntry.P | PageEntry.RW);
    return both && !MagicEntry.is(entry);
  }

  /** Such an entry is about to be written. */
  void take(long entry) {
    @Mfn long mfn = mfn(entry);
    if (mfn < end) {
      mapped.add(mfn, 1);
      if (isWritable(entry)) {
        writable.add(mfn, 1);
      }
    }
  }

  /** Such an entry is gone. */
  void drop(long entry) {
    @Mfn long mfn = mfn(entry);
    if (mfn < end) {
      mapped.add(mfn, -1);
      if (isWritable(entry)) {
        writable.add(mfn, -1);
        writableUntil.set(mfn, shootdown.flushes() + 1);
      }
    }
  }

  /** How many entries map a frame; frames outside RAM are not counted. */
  int mapped(@Mfn long mfn) {
    return mapped.get(mfn);
  }

  /** How many entries let a frame be written. */
  int writable(@Mfn long mfn) {
    return writable.get(mfn);
  }

  /** Whether frames like this one are counted. */
  boolean isCounted(@Mfn long mfn) {
    return mfn < end;
  }

  /** Whether a TLB may still let a frame be written though no entry does. */
  boolean mayBeWrittenByTlb(@Mfn long mfn) {
    return writableUntil.get(mfn) == shootdown.flushes() + 1;
  }

  /** Calls {@code visitor} for every frame that is mapped. */
  void forEachMapped(FrameInts.Visitor visitor) {
    mapped.forEach(visitor);
  }
}
