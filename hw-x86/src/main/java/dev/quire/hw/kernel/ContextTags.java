// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.TranslationCache;

/**
 * Numbers that stand for the tags of cached translations. Linear mappings are those of a VPID;
 * combined ones are those of a VPID and an EPT root (EP4TA: SDM vol. 3, 29.4.1), and get a number
 * above all VPIDs. AMD has ASIDs for both. All numbers become void when too many roots have one.
 */
final class ContextTags {
  private static final int MOST = 48;
  private static final int FIRST = TranslationCache.COMBINED_TAGS;

  private final int[] vpids = new int[MOST];
  private final long[] roots = new long[MOST];
  private int used;

  /** Whether a new number may be needed while there is none left; {@link #clear} comes next. */
  boolean isFull(int vpid, NestedPaging nested) {
    return used == MOST && of(vpid, nested) < 0;
  }

  /** Makes all numbers void; the caller flushes everything. */
  void clear() {
    used = 0;
  }

  /** The number for a VPID or ASID under the second dimension; -1 if there is none left. */
  int of(int vpid, NestedPaging nested) {
    if (nested.format != NestedPaging.Format.EPT) {
      return vpid;
    }
    for (int i = 0; i < used; i++) {
      if (vpids[i] == vpid && roots[i] == nested.root) {
        return FIRST + i;
      }
    }
    if (used == MOST) {
      return -1;
    }
    vpids[used] = vpid;
    roots[used] = nested.root;
    return FIRST + used++;
  }

  /** How many numbers stand for a VPID and a root. */
  int size() {
    return used;
  }

  /** One of those numbers. */
  int at(int index) {
    return FIRST + index;
  }

  /** Its VPID. */
  int vpid(int index) {
    return vpids[index];
  }

  /** Its root. */
  @Maddr
  long root(int index) {
    return Addresses.maddr(roots[index]);
  }

  /** Whether it is that of a root. */
  boolean isOf(int index, @Maddr long root) {
    return roots[index] == root;
  }
}
