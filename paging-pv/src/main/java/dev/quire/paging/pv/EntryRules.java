// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.x86.PageEntry;

/**
 * What a 64-bit PV guest's entries may hold at each level, and what the hypervisor makes of them
 * (Xen's {@code l1_disallow_mask}, {@code L2_DISALLOW_MASK}, {@code adjust_guest_l1e} and their
 * like).
 */
final class EntryRules {
  /** Marks an entry of the guest's kernel, which runs in ring 3 like its user programs. */
  static final long GUEST_KERNEL = 1L << 52;

  /** The memory type of a 4 KiB page. */
  static final long MEMORY_TYPE = PageEntry.PWT | PageEntry.PCD | PageEntry.PS;

  /** Bit 7 in entries that map 4 KiB pages. */
  static final long PAT = PageEntry.PS;

  /** Write-combining, as the hypervisor programs the PAT. */
  static final long WRITE_COMBINING = PAT;

  /** Level-4 slots that are the hypervisor's. */
  static final int FIRST_XEN_SLOT = 256;

  static final int LAST_XEN_SLOT = 271;

  /** The level-4 slot through which a table tree maps itself. */
  static final int SELF_MAP_SLOT = 258;

  /** Entries of a table. */
  static final int SLOTS = 512;

  private EntryRules() {}

  static boolean isPresent(long entry) {
    return (entry & PageEntry.P) != 0;
  }

  static boolean isWritable(long entry) {
    return (entry & PageEntry.RW) != 0;
  }

  static @Mfn long target(long entry) {
    return Addresses.mfn((entry & PageEntry.FRAME) >>> Addresses.PAGE_SHIFT);
  }

  /** A present entry as the hardware is to see it. */
  static long adjusted(long entry, int level) {
    if (!isPresent(entry)) {
      return entry;
    }
    if (level > 1) {
      return entry | PageEntry.US | (level == 4 ? PageEntry.A : 0);
    }
    if ((entry & GUEST_KERNEL) != 0) {
      return entry & ~PageEntry.G | PageEntry.US;
    }
    return (entry & PageEntry.US) != 0 ? entry | PageEntry.G : entry | GUEST_KERNEL | PageEntry.US;
  }
}
