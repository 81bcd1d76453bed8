// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.NestedPaging;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.PagingFormat;

/**
 * Whether a CPU can run what a control block asks of the second dimension, and by which rules. A
 * hypervisor that asks for more than there is has a bug: on hardware VM entry fails.
 */
final class SecondDimension {
  private SecondDimension() {}

  static NestedRules rules(CpuProfile profile, NestedPaging paging) {
    demand(!paging.switchingBit || profile.has(Feature.SWITCHING_BIT), "a switching bit");
    if (paging.format == NestedPaging.Format.NPT) {
      demand(profile.has(Feature.NPT) && paging.levels == 4, "nested paging of four levels");
      return NestedRules.npt(profile, PagingFormat.FOUR_LEVEL, paging.noExecute);
    }
    boolean five = paging.levels == 5;
    demand(profile.has(Feature.EPT) && (paging.levels == 4 || five), "EPT of four or five levels");
    demand(!five || profile.has(Feature.EPT_5_LEVEL), "EPT of five levels");
    demand(!paging.accessedDirty || profile.has(Feature.EPT_AD), "A and D flags in EPT");
    demand(
        !paging.modeBasedExecute || profile.has(Feature.MODE_BASED_EXECUTE),
        "mode-based execute control");
    demand(
        !paging.logging || profile.has(Feature.PML) && paging.accessedDirty,
        "page-modification logging, which wants A and D flags");
    PagingFormat format = five ? PagingFormat.FIVE_LEVEL : PagingFormat.FOUR_LEVEL;
    return NestedRules.ept(profile, format, paging.accessedDirty, paging.modeBasedExecute);
  }

  private static void demand(boolean has, String what) {
    if (!has) {
      throw new IllegalArgumentException("VM entry fails: this CPU does not have " + what);
    }
  }
}
