// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.LinkedHashMap;
import java.util.Map;

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

  /**
   * Everything by its title, how many shadows there are of each kind, and what they take.
   *
   * @param classic which generation it is
   */
  Map<String, Long> all(
      boolean classic, ShadowPages pages, HighLevelTables highLevel, TableMemory tables) {
    Map<String, Long> all = new LinkedHashMap<>();
    for (ShadowEvent event : ShadowEvent.values()) {
      if (event.isOf(classic)) {
        all.put(event.title(), get(event));
      }
    }
    for (PropagationRule rule : PropagationRule.values()) {
      all.put("rule-" + rule.title(), get(rule));
    }
    long frames = 0;
    for (ShadowKind kind : ShadowKind.values()) {
      int type = kind.type(0);
      long count = (long) pages.existing(type) + pages.existing(type + 1);
      all.put("shadows-" + kind.title(), count);
      frames += count * kind.pages();
    }
    all.put("shadow-frames", frames);
    if (classic) {
      all.put("hl2-frames", highLevel.frames());
    }
    all.put("pool-frames", (long) tables.inUse());
    all.put("pool-frames-peak", (long) tables.peak());
    return all;
  }
}
