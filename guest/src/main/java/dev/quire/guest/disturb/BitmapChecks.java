// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

/** Compares bitmaps of dirty frames with what must be in them, and keeps count. */
final class BitmapChecks {
  private final Findings findings;
  private long count;
  private long mustBeDirty;
  private long dirty;

  BitmapChecks(Findings findings) {
    this.findings = findings;
  }

  /** How many bitmaps were compared. */
  long count() {
    return count;
  }

  /** How many frames had to be in them. */
  long mustBeDirty() {
    return mustBeDirty;
  }

  /** How many were. */
  long dirty() {
    return dirty;
  }

  /**
   * Each frame that must be in a bitmap and is not is a finding.
   *
   * @param what the bitmap is
   */
  void compare(String what, DirtyPages since, long[] bitmap) {
    count++;
    mustBeDirty += since.size();
    for (long word : bitmap) {
      dirty += Long.bitCount(word);
    }
    since.missing(bitmap).forEach(it -> findings.add(what + ": " + it));
  }
}
