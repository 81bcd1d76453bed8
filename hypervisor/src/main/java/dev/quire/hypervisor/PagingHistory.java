// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import java.util.LinkedHashMap;
import java.util.Map;

/** What backends counted that served a domain before the one that does now. */
final class PagingHistory {
  private final Map<String, Map<String, Long>> byBackend = new LinkedHashMap<>();
  private long swaps;

  /** A backend has let the domain go. */
  synchronized void add(Attachment gone) {
    swaps++;
    merge(byBackend, gone);
  }

  /** How often the domain went from one backend to another. */
  synchronized long swaps() {
    return swaps;
  }

  /** With the backend that serves the domain now; in the order in which they first did. */
  synchronized Map<String, Map<String, Long>> with(Attachment now) {
    Map<String, Map<String, Long>> all = new LinkedHashMap<>();
    byBackend.forEach((name, counts) -> all.put(name, new LinkedHashMap<>(counts)));
    merge(all, now);
    return all;
  }

  private static void merge(Map<String, Map<String, Long>> all, Attachment one) {
    Map<String, Long> counts =
        all.computeIfAbsent(one.backend().name(), name -> new LinkedHashMap<>());
    one.paging().statistics().forEach((name, count) -> counts.merge(name, count, Long::sum));
  }
}
