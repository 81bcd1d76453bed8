// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Counts the mappings of grants again, and compares with what the granters know of them. */
final class GrantAudit {
  private final Map<GrantTable, Map<Integer, Integer>> pins = new HashMap<>();

  /** Tells what a domain has mapped; devices' mappings hold what no table shows. */
  void count(PvDomain domain, Recount recount) {
    domain
        .maptrack()
        .forEach(
            (handle, granter, ref, flags) -> {
              pins.computeIfAbsent(granter, it -> new HashMap<>())
                  .merge(ref, GrantTable.increment(flags), Integer::sum);
              if ((flags & GrantFlags.DEVICE) != 0) {
                recount.held(granter.frame(ref), GrantFlags.isReadOnly(flags) ? 0 : 1, 1);
              }
            });
  }

  /** A sentence for each grant whose uses are counted wrongly. */
  List<String> audit(List<GrantTable> tables) {
    List<String> wrong = new ArrayList<>();
    for (GrantTable table : tables) {
      Map<Integer, Integer> counted = pins.getOrDefault(table, Map.of());
      for (int ref = 0; ref < table.grants(); ref++) {
        int expected = counted.getOrDefault(ref, 0);
        if (table.pins(ref) != expected) {
          wrong.add(
              String.format(
                  "grant %d of domain %d is in use 0x%08x; counted anew 0x%08x",
                  ref, table.owner(), table.pins(ref), expected));
        }
      }
    }
    return wrong;
  }
}
