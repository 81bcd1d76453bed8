// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.x86.PageEntry;

/** How a grant is mapped ({@code GNTMAP_*}), and what a host's entry then is. */
final class GrantFlags {
  /** For devices: no entry, but references. */
  static final int DEVICE = 1;

  /** By an entry of the mapping domain's tables. */
  static final int HOST = 2;

  /** Not to be written. */
  static final int READ_ONLY = 4;

  /** For user programs too. */
  static final int APPLICATION = 8;

  /** The address is the machine address of the entry, instead of the linear one that it maps. */
  static final int CONTAINS_PTE = 16;

  /** From here on: three bits of the guest's own for the entry. */
  private static final int AVAILABLE_SHIFT = 16;

  private static final long AVAILABLE = 0xe00;

  private static final int ENTRY_AVAILABLE_SHIFT = 9;

  private GrantFlags() {}

  static boolean isReadOnly(int flags) {
    return (flags & READ_ONLY) != 0;
  }

  /** A host's entry without its frame ({@code grant_to_pte_flags}). */
  static long entry(int flags) {
    long own = (long) (flags >>> AVAILABLE_SHIFT) << ENTRY_AVAILABLE_SHIFT & AVAILABLE;
    return PageEntry.P
        | PageEntry.A
        | PageEntry.D
        | PageEntry.NX
        | own
        | ((flags & APPLICATION) != 0 ? PageEntry.US : 0)
        | (isReadOnly(flags) ? 0 : PageEntry.RW);
  }
}
