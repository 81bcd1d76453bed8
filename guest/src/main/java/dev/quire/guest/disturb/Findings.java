// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.domain.Errno;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What should not have happened, told with what was being done; and what was refused because memory
 * for tables was short, which is no finding.
 */
final class Findings {
  /** A preempted operation that goes on for longer than this makes no progress. */
  private static final int MOST_CONTINUATIONS = 1 << 20;

  private final Consumer<String> log;
  private long refused;

  Findings(Consumer<String> log) {
    this.log = log;
  }

  void add(String what) {
    log.accept(what);
  }

  /** How many operations were refused for want of memory. */
  long refused() {
    return refused;
  }

  void refuse() {
    refused++;
  }

  /**
   * Calls a preemptible operation until it is done.
   *
   * @return whether it succeeded; if not, that is a finding unless memory was short
   */
  boolean done(String what, Supplier<Errno> operation) {
    Errno errno = operation.get();
    for (int i = 0; errno == Errno.ERESTART && i < MOST_CONTINUATIONS; i++) {
      errno = operation.get();
    }
    if (errno == Errno.ENOMEM) {
      refused++;
    } else if (!errno.isOk()) {
      add(what + " answered " + errno);
    }
    return errno.isOk();
  }
}
