// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

/** What was counted. Under the domain's paging lock. */
final class ShadowCounts {
  private final long[] events = new long[ShadowEvent.values().length];
  private final long[] rules = new long[PropagationRule.values().length];

  void add(ShadowEvent event) {
    events[event.ordinal()]++;
  }

  long get(ShadowEvent event) {
    return events[event.ordinal()];
  }

  /** A rule refused an entry or took a right from it. */
  void add(PropagationRule rule) {
    rules[rule.ordinal()]++;
  }

  long get(PropagationRule rule) {
    return rules[rule.ordinal()];
  }
}
