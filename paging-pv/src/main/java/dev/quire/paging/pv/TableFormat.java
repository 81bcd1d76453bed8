// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.x86.PageEntry;

/**
 * What a guest's tables look like, of which the hardware walks four levels in any case: those of a
 * 64-bit guest, or those of a 32-bit guest with PAE, whose four level-3 entries hang below a table
 * of the hypervisor's ({@code is_pv_32bit_domain}).
 */
enum TableFormat {
  /** Four levels; the hypervisor's slots are in every level-4 table. */
  LONG(4) {
    @Override
    boolean isGuests(@Gva long linear) {
      return linear >= 0 ? linear < LOWER_END : linear >= UPPER_START;
    }

    @Override
    boolean isGuestSlot(long type, int slot, int slots) {
      boolean root = FrameWords.type(type) == FrameType.L4;
      return !root || slot < EntryRules.FIRST_XEN_SLOT || slot > EntryRules.LAST_XEN_SLOT;
    }

    /** All of it runs in ring 3; entries of the kernel are marked so that they are not global. */
    @Override
    long adjusted(long entry, int level) {
      return EntryRules.adjusted(entry, level);
    }

    @Override
    long disallowed(int level, EntryMasks masks, boolean controlsMemoryTypes) {
      return masks.disallowed(level, controlsMemoryTypes);
    }
  },

  /** Three levels; the hypervisor's slots are in the level-2 table that the last entry leads to. */
  PAE(3) {
    @Override
    boolean isGuests(@Gva long linear) {
      return linear >= 0 && linear < COMPAT_END;
    }

    @Override
    boolean isGuestSlot(long type, int slot, int slots) {
      if ((type & FrameWords.PAE_XEN_L2) != 0) {
        return slot < firstXenSlot(slots);
      }
      return FrameWords.type(type) != FrameType.L3 || slot < ROOT_SLOTS;
    }

    /** A PDPTE has no rights; the entry that the hardware reads in its place must give them all. */
    @Override
    long adjusted(long entry, int level) {
      return level == 3 && EntryRules.isPresent(entry) ? entry | RIGHTS : entry;
    }

    @Override
    long unadjusted(long entry, int level) {
      return level == 3 && EntryRules.isPresent(entry) ? entry & ~(RIGHTS | PageEntry.A) : entry;
    }

    @Override
    long disallowed(int level, EntryMasks masks, boolean controlsMemoryTypes) {
      return level == 3 ? NOT_IN_ROOT : masks.disallowed(level, controlsMemoryTypes);
    }

    /**
     * The table of the last entry holds the hypervisor's mappings, and so it is of a type of its
     * own.
     */
    @Override
    long childType(int level, int slot) {
      long type = super.childType(level, slot);
      return level == 3 && slot == LAST_ROOT_SLOT ? type | FrameWords.PAE_XEN_L2 : type;
    }
  };

  private static final long LOWER_END = 1L << 47;

  /** Where the guest's part begins again ({@code HYPERVISOR_VIRT_END}). */
  private static final long UPPER_START = 0xffff880000000000L;

  /** Where a 32-bit guest's part ends ({@code HYPERVISOR_COMPAT_VIRT_START}). */
  private static final long COMPAT_END = 0xf5800000L;

  /** Entries of a PAE guest's root. */
  static final int ROOT_SLOTS = 4;

  /** The one that the hypervisor's addresses lie behind. */
  static final int LAST_ROOT_SLOT = 3;

  private static final long RIGHTS = PageEntry.US | PageEntry.RW;

  /** {@code COMPAT_L3_DISALLOW_MASK}: memory types, size, G, and all above the address. */
  private static final long NOT_IN_ROOT =
      ~(PageEntry.P
          | PageEntry.RW
          | PageEntry.US
          | PageEntry.A
          | PageEntry.D
          | 0xe00L
          | PageEntry.FRAME);

  /** The entry for {@link #COMPAT_END} in the level-2 table. */
  private static final int XEN_SLOT = 428;

  private final int top;

  TableFormat(int top) {
    this.top = top;
  }

  /** The level of the guest's roots. */
  int top() {
    return top;
  }

  /** Whether an address is one, and not the hypervisor's ({@code __addr_ok}). */
  abstract boolean isGuests(@Gva long linear);

  /**
   * Whether a slot is the guest's to fill.
   *
   * @param type of the table, with PAE_XEN_L2
   * @param slots how many a table has
   */
  abstract boolean isGuestSlot(long type, int slot, int slots);

  /** An entry as the hardware is to see it. */
  abstract long adjusted(long entry, int level);

  /** The same entry as the guest gets it back when the table is none any more. */
  long unadjusted(long entry, int level) {
    return entry;
  }

  /** Bits that a present entry must not have. */
  abstract long disallowed(int level, EntryMasks masks, boolean controlsMemoryTypes);

  /** What a present entry above level 1 makes the frame that it maps. */
  long childType(int level, int slot) {
    return FrameWords.of(FrameType.table(level - 1));
  }

  /** The first slot of the hypervisor's in its level-2 table. */
  static int firstXenSlot(int slots) {
    return XEN_SLOT * slots / EntryRules.SLOTS;
  }
}
