// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.x86.PageEntry;

/**
 * Which bits of an entry decide what, as data: what guests must not set ({@code l1_disallow_mask},
 * {@code L2_DISALLOW_MASK} to {@code L4}), and what may change without anything being counted anew
 * ({@code FASTPATH_FLAG_WHITELIST}). One bit too many in the second has let guests out before
 * (XSA-148, XSA-182).
 *
 * @param leaf refused at level 1 from domains that may not choose memory types
 * @param upper refused at levels 2 to 4
 * @param uncounted free to change
 */
record EntryMasks(long leaf, long upper, long uncounted) {
  /** Xen's. */
  static final EntryMasks XEN =
      new EntryMasks(
          EntryRules.MEMORY_TYPE,
          PageEntry.PWT | PageEntry.PCD | PageEntry.PS | PageEntry.G,
          PageEntry.NX
              | 0x7ff0000000000000L
              | 0xe00L
              | PageEntry.G
              | PageEntry.D
              | PageEntry.A
              | PageEntry.US);

  /** Bits that a present entry must not have. */
  long disallowed(int level, boolean controlsMemoryTypes) {
    if (level > 1) {
      return upper;
    }
    return controlsMemoryTypes ? 0 : leaf;
  }
}
