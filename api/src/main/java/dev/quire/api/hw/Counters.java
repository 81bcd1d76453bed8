// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

/**
 * What was counted: by {@link HwEvent}, and references to nested tables by level in both
 * dimensions. Plain numbers, written by one thread.
 */
public final class Counters {
  /** Rows and columns of {@link #references}: levels 0 to 5. */
  public static final int LEVELS = 6;

  private static final int EVENTS = HwEvent.values().length;

  private final long[] values = new long[EVENTS + LEVELS * LEVELS];

  /** How often {@code event} happened. */
  public long get(HwEvent event) {
    return values[event.ordinal()];
  }

  /**
   * References to memory by level in both dimensions: a walk of four levels on four is 24 of them.
   *
   * @param guestLevel the level of the guest's entry, or 0 for the address that a walk ends with
   * @param nestedLevel the level of the nested entry that was read on the way to it, or 0 for the
   *     guest's entry itself
   */
  public long references(int guestLevel, int nestedLevel) {
    if (nestedLevel != 0) {
      return values[nestedReference(guestLevel, nestedLevel)];
    }
    return guestLevel == 0 ? 0 : values[HwEvent.REFERENCES_1.ordinal() + guestLevel - 1];
  }

  /** All references of {@link #references} together. */
  public long references() {
    long all = 0;
    for (int guest = 0; guest < LEVELS; guest++) {
      for (int nested = 0; nested < LEVELS; nested++) {
        all += references(guest, nested);
      }
    }
    return all;
  }

  /** Where in {@link #values} references to nested entries are counted; for the CPU. */
  public static int nestedReference(int guestLevel, int nestedLevel) {
    return EVENTS + guestLevel * LEVELS + nestedLevel;
  }

  /** The numbers themselves, events by ordinal; for the CPU, which adds to them. */
  public long[] values() {
    return values;
  }

  /** Sets every number to zero. */
  public void reset() {
    java.util.Arrays.fill(values, 0);
  }

  /** Adds the numbers of {@code other}. */
  public void add(Counters other) {
    for (int i = 0; i < values.length; i++) {
      values[i] += other.values[i];
    }
  }
}
