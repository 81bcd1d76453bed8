// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import java.util.ArrayList;
import java.util.List;

/** How often the run differed from the recording, and the first differences explained. */
final class DifferenceLog {
  /** More would only repeat the same mistake. */
  private static final int EXPLAINED = 100;

  private final List<String> explanations = new ArrayList<>();
  private long count;

  /** Whether another difference would be kept with its explanation, or only counted. */
  boolean wantsExplanation() {
    return explanations.size() < EXPLAINED;
  }

  /**
   * Counts a difference.
   *
   * @param record number of the record that the run differs from
   * @param what in one sentence
   * @param walk line by line
   */
  void add(long record, String what, List<String> walk) {
    count++;
    if (wantsExplanation()) {
      StringBuilder text = new StringBuilder("record ").append(record).append(": ").append(what);
      for (String line : walk) {
        text.append(System.lineSeparator()).append("    ").append(line);
      }
      explanations.add(text.toString());
    }
  }

  /** Counts a difference that is not kept. */
  void add() {
    count++;
  }

  long count() {
    return count;
  }

  List<String> explanations() {
    return explanations;
  }
}
