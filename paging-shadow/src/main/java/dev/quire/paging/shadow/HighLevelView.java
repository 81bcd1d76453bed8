// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;

/**
 * The guest's tables on the way to one address, the last one found through the {@link
 * HighLevelTables}: what Xen 3.0 reads at {@code linear_pg_table}. One for each vCPU, reused.
 */
final class HighLevelView implements FrameMapper {
  private final ShadowDomain domain;
  private @Gfn long gfn = Addresses.gfn(NONE);
  private @Mfn long mfn = Addresses.mfn(NONE);

  HighLevelView(ShadowDomain domain) {
    this.domain = domain;
  }

  /**
   * Looks for the last-level table of an address. The lock is held.
   *
   * @param path what was read on the way to it, none of it newer than its shadow
   */
  void prepare(GuestPath path) {
    gfn = Addresses.gfn(NONE);
    if (path.bottom() > 1 || path.top() < 2) {
      return;
    }
    int slot = domain.graph().find(path.type(2), ShadowHash.ofTable(path.table(2)));
    if (slot != ShadowPages.NONE) {
      mfn = domain.highLevel().table(slot, path.index(2));
      if (mfn != NONE) {
        gfn = domain.guest().target(path.type(2), path.entry(2));
      }
    }
  }

  @Override
  public @Mfn long toMachine(@Gfn long table) {
    return table == gfn ? mfn : domain.guest().toMachine(table);
  }
}
