// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import org.jspecify.annotations.Nullable;

/**
 * Who lives by the types RAM_RW and RAM_LOGDIRTY just now. One at a time: a new round of the log
 * makes the tracking of a range forget, and types that are changed by hand tell neither the truth.
 */
final class TypeUse {
  private @Nullable Disturbance user;

  boolean isFreeFor(Disturbance kind) {
    return user == null || user == kind;
  }

  boolean isTakenBy(Disturbance kind) {
    return user == kind;
  }

  /** Takes them, or lets them go. */
  void set(Disturbance kind, boolean taken) {
    if (isFreeFor(kind)) {
      user = taken ? kind : null;
    }
  }
}
