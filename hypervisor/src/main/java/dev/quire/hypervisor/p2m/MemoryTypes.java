// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mType;

/** The memory type of an EPT mapping ({@code epte_get_entry_emt}). */
final class MemoryTypes {
  /** Not the same for all frames of the mapping: it must be split. */
  static final int MIXED = -1;

  static final int UC = 0;
  static final int WB = 6;
  private static final int IGNORE_PAT = 8;

  private final RangeSet readOnlyDevices;

  MemoryTypes(RangeSet readOnlyDevices) {
    this.readOnlyDevices = readOnlyDevices;
  }

  /**
   * What a mapping needs.
   *
   * @return for {@link #type} and {@link #ignoresPat}, or {@link #MIXED}
   */
  int effective(@Gfn long gfn, @Mfn long mfn, long frames, P2mType type) {
    return switch (readOnlyDevices.coverage(mfn, frames)) {
      case ALL -> UC | IGNORE_PAT;
      case SOME -> MIXED;
      case NONE -> type == P2mType.MMIO_DIRECT ? UC : WB | IGNORE_PAT;
    };
  }

  static int type(int effective) {
    return effective & 7;
  }

  static boolean ignoresPat(int effective) {
    return (effective & IGNORE_PAT) != 0;
  }
}
