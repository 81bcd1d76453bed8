// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import static dev.quire.api.domain.FrameWords.TYPE;
import static dev.quire.api.domain.FrameWords.TYPE_COUNT;
import static dev.quire.api.domain.FrameWords.VALIDATED;

import dev.quire.api.address.Mfn;

/**
 * Linear pagetables: a table in an entry of a table of its own level. One level deep only
 * (XSA-240): a table that contains such entries (its count is positive) is contained in none (its
 * count would be negative).
 */
final class Linear {
  private static final int SHIFT = 16;
  private static final long ONE = 1L << SHIFT;

  private final FrameRecords records;
  private final GeneralReferences references;

  Linear(FrameRecords records, GeneralReferences references) {
    this.records = records;
    this.references = references;
  }

  int count(@Mfn long mfn) {
    return (short) (records.get(mfn, FrameRecords.PROGRESS) >>> SHIFT);
  }

  /** The count, in its place. */
  long keep(@Mfn long mfn) {
    return records.get(mfn, FrameRecords.PROGRESS) & 0xffffL << SHIFT;
  }

  /**
   * Takes general, type and linear references, if the target is validated at the parent's level.
   */
  boolean get(@Mfn long mfn, @Mfn long parent, int owner) {
    if (!references.get(mfn, owner)) {
      return false;
    }
    if (!step(parent, 1)) {
      references.put(mfn);
      return false;
    }
    if (step(mfn, -1)) {
      if (takeType(mfn, parent)) {
        return true;
      }
      add(mfn, 1);
    }
    add(parent, -1);
    references.put(mfn);
    return false;
  }

  private boolean takeType(@Mfn long mfn, @Mfn long parent) {
    while (true) {
      long word = records.get(mfn, FrameRecords.TYPE);
      long sameAs = records.get(parent, FrameRecords.TYPE) & TYPE | VALIDATED;
      boolean full = (word & TYPE_COUNT) == TYPE_COUNT;
      if (full || (word & (TYPE | VALIDATED)) != sameAs || (word & TYPE_COUNT) == 0) {
        return false;
      }
      if (records.compareAndSet(mfn, FrameRecords.TYPE, word, word + 1)) {
        return true;
      }
    }
  }

  /** Gives the linear reference back; the type reference is the caller's to give back. */
  void put(@Mfn long mfn, @Mfn long parent) {
    add(mfn, 1);
    add(parent, -1);
  }

  /** Away from 0 in a direction, unless the table is used in the other one. */
  private boolean step(@Mfn long mfn, int direction) {
    while (true) {
      long word = records.get(mfn, FrameRecords.PROGRESS);
      int count = (short) (word >>> SHIFT);
      if (count * direction < 0 || count == Short.MAX_VALUE * direction) {
        return false;
      }
      if (records.compareAndSet(mfn, FrameRecords.PROGRESS, word, with(word, count + direction))) {
        return true;
      }
    }
  }

  private void add(@Mfn long mfn, int difference) {
    while (true) {
      long word = records.get(mfn, FrameRecords.PROGRESS);
      int count = (short) (word >>> SHIFT) + difference;
      if (records.compareAndSet(mfn, FrameRecords.PROGRESS, word, with(word, count))) {
        return;
      }
    }
  }

  private static long with(long word, int count) {
    return word & ~(0xffffL << SHIFT) | (count & 0xffffL) * ONE;
  }
}
