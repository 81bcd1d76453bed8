// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;

/**
 * Keeps counts while a walk from the root reads again what the fast road has read: the hardware
 * reads such entries once, and translates their addresses once.
 */
public final class RepeatedReads {
  private static final int REFERENCES = HwEvent.REFERENCES_1.ordinal() - 1;

  /** What is counted in the second dimension but for references. */
  private static final int TRANSLATIONS = HwEvent.NESTED_WALKS.ordinal();

  private static final int KINDS = HwEvent.NESTED_PSC_HITS_5.ordinal() + 1 - TRANSLATIONS;

  private static final int NOTHING = Integer.MAX_VALUE;

  private final long[] counters;
  private final boolean nested;
  private final long[] kept;

  /** From which level up everything is a repetition. */
  private int repeated = NOTHING;

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
    repeated = from;
  }

  /** Puts back what {@link #keep} noted. */
  public void restore(int from, int levels) {
    copy(kept, counters, from, levels);
    repeated = NOTHING;
  }

  /** The address of an entry of a level is translated next, or of the page; perhaps once more. */
  public void before(int level) {
    if (nested && level >= repeated) {
      System.arraycopy(counters, TRANSLATIONS, kept, TRANSLATIONS, KINDS);
    }
  }

  /** It has been. */
  public void after(int level) {
    if (nested && level >= repeated) {
      System.arraycopy(kept, TRANSLATIONS, counters, TRANSLATIONS, KINDS);
    }
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
