// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

/** What was counted, by {@link HwEvent}. Plain numbers, written by one thread. */
public final class Counters {
  private final long[] values = new long[HwEvent.values().length];

  /** How often {@code event} happened. */
  public long get(HwEvent event) {
    return values[event.ordinal()];
  }

  /** The numbers themselves, by ordinal; for the CPU, which adds to them. */
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
