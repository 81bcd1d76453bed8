// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;

/** Notes which guest frames a walk took its tables from, without an object for each step. */
final class WalkedTables implements FrameMapper {
  private static final int MOST = 5;

  private final GuestDomain domain;
  private final long[] gfns = new long[MOST];
  private int count;

  WalkedTables(GuestDomain domain) {
    this.domain = domain;
  }

  /** A walk begins. */
  void clear() {
    count = 0;
  }

  @Override
  public @Mfn long toMachine(@Gfn long gfn) {
    gfns[count] = gfn;
    count++;
    return domain.gfnToMfn(gfn);
  }

  /** How many tables there were. */
  int count() {
    return count;
  }

  /** One of them. */
  @Gfn
  long gfn(int number) {
    return Addresses.gfn(gfns[number]);
  }
}
