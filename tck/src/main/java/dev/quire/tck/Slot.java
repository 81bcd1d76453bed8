// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gva;

/** A linear page that guests of the contract map, unmap and access. */
final class Slot {
  private final @Gva long linear;
  private final int level;
  private final boolean shared;

  /**
   * A page.
   *
   * @param linear its first linear address
   * @param level of the entry that maps it
   * @param shared whether every address space maps it by the same table
   */
  Slot(@Gva long linear, int level, boolean shared) {
    this.linear = linear;
    this.level = level;
    this.shared = shared;
  }

  @Gva
  long linear() {
    return linear;
  }

  int level() {
    return level;
  }

  boolean isShared() {
    return shared;
  }

  @Override
  public String toString() {
    return String.format("0x%x (level %d%s)", linear, level, shared ? ", shared" : "");
  }
}
