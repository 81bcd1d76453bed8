// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;

/**
 * To which table a vCPU's last emulated write went, and by which page: the next fault there is
 * likely to be another ({@code last_emulated_frame}, {@code last_write_emul_ok}).
 */
final class LastWrite {
  private long page;
  private @Mfn long table = Addresses.mfn(FrameMapper.NONE);

  /** A write succeeded, and what it went to still is a table. */
  void note(@Gva long linear, @Mfn long ofTable) {
    page = linear >>> Addresses.PAGE_SHIFT;
    table = ofTable;
  }

  /** Addresses may lead elsewhere from now on. */
  void forget() {
    table = Addresses.mfn(FrameMapper.NONE);
  }

  /** Whether it was made by the page that an address lies in. */
  boolean isAt(@Gva long linear) {
    return table != FrameMapper.NONE && linear >>> Addresses.PAGE_SHIFT == page;
  }

  /** The table, or {@link FrameMapper#NONE}. */
  @Mfn
  long table() {
    return table;
  }
}
