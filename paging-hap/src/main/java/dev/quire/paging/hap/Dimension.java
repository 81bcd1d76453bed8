// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;

/** The two kinds of second dimension that there are. */
enum Dimension {
  /** AMD's: tables as the host's own, walked as user accesses with the host's EFER.NXE. */
  NPT(Feature.NPT, P2mFormat.X86, Format.NPT),
  /** Intel's: tables of a format of their own, whose invalid entries are exits of their own. */
  EPT(Feature.EPT, P2mFormat.EPT, Format.EPT);

  private final Feature feature;
  private final P2mFormat p2mFormat;
  private final Format format;

  Dimension(Feature feature, P2mFormat p2mFormat, Format format) {
    this.feature = feature;
    this.p2mFormat = p2mFormat;
    this.format = format;
  }

  /** What the CPU must have. */
  Feature feature() {
    return feature;
  }

  /** How the p2m must be written. */
  P2mFormat p2mFormat() {
    return p2mFormat;
  }

  /** Whether hardware logs what it writes, so that logged frames need not be write-protected. */
  boolean logsInHardware(CpuProfile profile) {
    return this == EPT && profile.has(Feature.PML) && profile.has(Feature.EPT_AD);
  }

  /**
   * Tells the hardware of the p2m. A and D flags of EPT are on where the CPU has them, as in Xen
   * ({@code opt_ept_ad}).
   */
  void load(NestedPaging nested, P2m p2m, CpuProfile profile) {
    nested.clear();
    nested.format = format;
    nested.root = p2m.root();
    nested.levels = p2m.levels();
    nested.noExecute = this == NPT;
    nested.accessedDirty = this == EPT && profile.has(Feature.EPT_AD);
  }

  /** Whether the hardware was told of this p2m. */
  boolean isLoaded(NestedPaging nested, P2m p2m) {
    return nested.format == format && nested.root == p2m.root() && nested.levels == p2m.levels();
  }
}
