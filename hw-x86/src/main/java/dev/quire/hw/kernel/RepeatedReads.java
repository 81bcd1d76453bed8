// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;

/**
 * Keeps counts of references while a walk from the root reads again what the fast road has read:
 * the hardware reads such entries once.
 */
public final class RepeatedReads {
  private static final int REFERENCES = HwEvent.REFERENCES_1.ordinal() - 1;

  private final long[] counters;
  private final boolean nested;
  private final long[] kept;

  /**
   * For a walker.
   *
   * @param counters its own
   * @param nested whether it has a second dimension
   */
  public RepeatedReads(long[] counters, boolean nested) {
    this.counters = counters;
    this.nested = nested;
    this.kept = new long[counters.length];
  }

  /**
   * Notes the counts.
   *
   * @param from the lowest level that was read; 0 for the final address
   * @param levels how many there are
   */
  public void keep(int from, int levels) {
    copy(counters, kept, from, levels);
  }

  /** Puts back what {@link #keep} noted. */
  public void restore(int from, int levels) {
    copy(kept, counters, from, levels);
  }

  private void copy(long[] source, long[] target, int from, int levels) {
    int lowest = Math.max(1, from);
    int first = REFERENCES + lowest;
    System.arraycopy(source, first, target, first, levels + 1 - lowest);
    if (nested) {
      int row = Counters.nestedReference(from, 0);
      System.arraycopy(source, row, target, row, (levels + 1 - from) * Counters.LEVELS);
    }
  }
}
