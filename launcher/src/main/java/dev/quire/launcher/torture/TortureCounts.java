// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import java.util.LinkedHashMap;
import java.util.Map;

/** What kinds of outcomes there were under one backend. */
final class TortureCounts {
  /** Accesses served as the tables are, which nothing else could have served. */
  long exact;

  /** Accesses through translations that were changed and not invalidated since. */
  long searched;

  /** Of them, those served by what the tables are no longer. */
  long old;

  /** Faults. */
  long faults;

  /** Register writes and invalidations. */
  long controls;

  /** Register writes that were refused. */
  long refused;

  /** By name. */
  Map<String, Long> all() {
    Map<String, Long> all = new LinkedHashMap<>();
    all.put("accesses with one outcome", exact);
    all.put("accesses by changed translations", searched);
    all.put("served by the old one", old);
    all.put("page faults", faults);
    all.put("register writes and invalidations", controls);
    all.put("refused", refused);
    return all;
  }
}
