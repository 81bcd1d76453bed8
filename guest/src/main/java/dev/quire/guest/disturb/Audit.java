// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.domain.Domain;
import java.util.ArrayList;
import java.util.List;

/** Has every part of a domain recompute its invariants. */
final class Audit {
  private final Domain domain;
  private final Findings findings;
  private long count;

  Audit(Domain domain, Findings findings) {
    this.domain = domain;
    this.findings = findings;
  }

  /** How many audits there were. */
  long count() {
    return count;
  }

  /** The backend audits itself: what it derived from tables that the guest has changed since. */
  void backend() {
    count++;
    domain.paging().audit().forEach(it -> findings.add("audit: " + it));
  }

  /** Audits everything. */
  void after(String done) {
    count++;
    List<String> broken = new ArrayList<>(domain.paging().audit());
    if (domain.isTranslated()) { // otherwise there may be no memory for tables, nor a log in it
      broken.addAll(domain.p2m().audit());
      broken.addAll(domain.logDirty().audit());
    }
    broken.forEach(it -> findings.add("audit (before it: " + done + "): " + it));
  }
}
