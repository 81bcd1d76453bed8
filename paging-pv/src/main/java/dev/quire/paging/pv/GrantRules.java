// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.x86.PageEntry;

/**
 * What decides whether an entry may hold or lose a grant, as data. Both have let guests out before.
 *
 * @param compared bits that an entry must still have as the grant was mapped, when it is unmapped
 *     (XSA-234)
 * @param misaligned bits of an entry's address that must be 0 (XSA-227)
 */
record GrantRules(long compared, long misaligned) {
  /** Xen's. */
  static final GrantRules XEN =
      new GrantRules(PageEntry.FRAME | PageEntry.P | PageEntry.RW, Long.BYTES - 1);
}
