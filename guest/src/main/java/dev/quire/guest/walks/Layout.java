// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.walks;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the guest's tables and pages lie in its memory: so far apart that the nested walks to them
 * share no entry, which makes each as long as it can be.
 */
final class Layout {
  private static final long GIB = 1L << 30;

  private final WalksOptions options;

  Layout(WalksOptions options) {
    this.options = options;
  }

  /** The guest's RAM. */
  List<Ram> memory() {
    List<Ram> memory = new ArrayList<>();
    for (int level = options.guestLevels(); level > 0; level--) {
      memory.add(new Ram(table(level), options.regionBytes()));
    }
    memory.add(new Ram(page(0), 2 * options.regionBytes()));
    if (2 * options.regionBytes() <= GIB) {
      memory.add(new Ram(page(GIB), options.regionBytes()));
    }
    return memory;
  }

  /** The one table of a level. */
  @Gpa
  long table(int level) {
    return Addresses.gpa((options.guestLevels() - level) * apart());
  }

  /** What linear address {@code offset} leads to. */
  @Gpa
  long page(long offset) {
    return Addresses.gpa(options.guestLevels() * apart() + offset);
  }

  /** What one entry of the nested root covers. */
  private long apart() {
    return 1L << (options.nestedLevels() == 5 ? 48 : 39);
  }

  /** How wide guest-physical addresses are. Unit: bits */
  int physicalBits() {
    return Long.SIZE - Long.numberOfLeadingZeros(page(2 * GIB));
  }
}
