// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameWords;
import java.util.function.LongConsumer;

/** Owners and general references ({@code get_page}, {@code put_page}). */
final class GeneralReferences {
  /** The owner's reference, and that of who steals. */
  private static final long STEALABLE = FrameWords.ALLOCATED | 2;

  private final FrameRecords records;
  private final LongConsumer freed;

  /** References, and who is told of each frame when the last one goes. */
  GeneralReferences(FrameRecords records, LongConsumer freed) {
    this.records = records;
    this.freed = freed;
  }

  void assign(@Mfn long mfn, int owner, long flags) {
    if (mfn < 0 || mfn >= records.end()) {
      throw new IllegalArgumentException(
          String.format(
              "frame 0x%x is beyond the frame table, which ends at 0x%x", mfn, records.end()));
    }
    if (FrameWords.count(records.get(mfn, FrameRecords.COUNT)) != 0) {
      throw new IllegalStateException(
          String.format("frame 0x%x is domain %d's already", mfn, owner(mfn)));
    }
    // a validated type must not come along from the last owner (XSA-214)
    long type = records.get(mfn, FrameRecords.TYPE) & ~FrameWords.VALIDATED;
    records.set(mfn, FrameRecords.TYPE, type);
    long stamp = records.get(mfn, FrameRecords.OWNER) & 0xffffffffL;
    records.set(mfn, FrameRecords.OWNER, (long) owner << 32 | stamp);
    records.set(mfn, FrameRecords.COUNT, flags | 1);
  }

  Errno release(@Mfn long mfn) {
    while (true) {
      long word = records.get(mfn, FrameRecords.COUNT);
      if ((word & FrameWords.ALLOCATED) == 0) {
        return Errno.EINVAL;
      }
      if (records.compareAndSet(mfn, FrameRecords.COUNT, word, word & ~FrameWords.ALLOCATED)) {
        put(mfn);
        return Errno.OK;
      }
    }
  }

  /**
   * The count goes to nothing first, so that nobody gets hold of a frame that has no owner
   * (XSA-287).
   */
  Errno steal(@Mfn long mfn, int owner) {
    if (!get(mfn, owner)) {
      return Errno.EINVAL;
    }
    while (true) {
      long word = records.get(mfn, FrameRecords.COUNT);
      boolean special = (word & (FrameWords.XEN_HEAP | FrameWords.EXTRA)) != 0;
      if (special || (word & (FrameWords.ALLOCATED | FrameWords.COUNT)) != STEALABLE) {
        put(mfn);
        return Errno.EINVAL;
      }
      if (records.compareAndSet(mfn, FrameRecords.COUNT, word, 0)) {
        disown(mfn);
        return Errno.OK;
      }
    }
  }

  private void disown(@Mfn long mfn) {
    long owner = records.get(mfn, FrameRecords.OWNER);
    records.set(mfn, FrameRecords.OWNER, (long) FrameTable.NOBODY << 32 | owner & 0xffffffffL);
  }

  int owner(@Mfn long mfn) {
    return (int) (records.get(mfn, FrameRecords.OWNER) >> 32);
  }

  boolean get(@Mfn long mfn, int owner) {
    int actual = getFromOwner(mfn);
    if (actual != owner && actual != FrameTable.NOBODY) {
      put(mfn);
    }
    return actual == owner;
  }

  int getFromOwner(@Mfn long mfn) {
    while (true) {
      long word = records.get(mfn, FrameRecords.COUNT);
      // free, or so near to overflow that the one more which a partial state needs might not fit
      if ((word + 2 & FrameWords.COUNT) <= 2) {
        return FrameTable.NOBODY;
      }
      if (records.compareAndSet(mfn, FrameRecords.COUNT, word, word + 1)) {
        return owner(mfn);
      }
    }
  }

  /** One more where there is one already ({@code get_page_light}). */
  void getAnother(@Mfn long mfn) {
    long before = records.add(mfn, FrameRecords.COUNT, 1);
    if ((before + 1 & FrameWords.COUNT) <= 1) {
      throw new IllegalStateException(String.format("frame 0x%x: nobody referred to it", mfn));
    }
  }

  void put(@Mfn long mfn) {
    long before = records.add(mfn, FrameRecords.COUNT, -1);
    long left = before - 1 & FrameWords.COUNT;
    if (FrameWords.count(before) == 0) {
      throw new IllegalStateException(
          String.format("frame 0x%x: one reference too many given back", mfn));
    }
    if (left == 0) {
      records.set(mfn, FrameRecords.COUNT, 0);
      disown(mfn);
      freed.accept(mfn);
    }
  }

  /** Notes when nobody relied on the type any more. */
  void stamp(@Mfn long mfn, int time) {
    long owner = records.get(mfn, FrameRecords.OWNER);
    while (!records.compareAndSet(
        mfn, FrameRecords.OWNER, owner, owner & ~0xffffffffL | time & 0xffffffffL)) {
      owner = records.get(mfn, FrameRecords.OWNER);
    }
  }

  int stamp(@Mfn long mfn) {
    return (int) records.get(mfn, FrameRecords.OWNER);
  }
}
