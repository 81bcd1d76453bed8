// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gva;
import java.util.List;

/** A linear page that guests of the contract map, unmap and access. */
final class Slot {
  private static final long PART = 0x1000;
  private static final long FAR_PART = 0x1f_f000;

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

  /** An address in each part of the page that could have a TLB entry of its own. */
  List<Long> parts() {
    return level == 1 ? List.of(linear) : List.of(linear, linear + PART, linear + FAR_PART);
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
