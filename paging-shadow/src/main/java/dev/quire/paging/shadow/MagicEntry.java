// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.PageEntry;

/**
 * Last-level shadow entries that no hardware can use, but that say why ({@code sh_l1e_gnp}, {@code
 * sh_l1e_mmio}): P is set, and so are bits that must be zero, so that an access ends in a fault
 * whose error code has RSVD. Nothing else ends so, since no other shadow entry has such bits.
 *
 * <pre>
 *   not present   all ones
 *   a device      63..36 ones | 35..4 guest frame | 3 zero | 2 US | 1 RW | 0 P
 * </pre>
 */
final class MagicEntry {
  /** The guest's entry has P = 0. */
  static final long NOT_PRESENT = -1L;

  private static final long MARK = -1L << 36;
  private static final long NO_DEVICE = 1L << 3;
  private static final int FRAME_SHIFT = 4;
  private static final int FRAME_BITS = 32;
  private static final long RIGHTS = PageEntry.RW | PageEntry.US;
  private static final int MOST_PHYSICAL_BITS = 52;

  private MagicEntry() {}

  /** Whether a CPU has reserved bits where these entries have ones. */
  static boolean isPossible(CpuProfile profile) {
    return profile.physicalBits() < MOST_PHYSICAL_BITS;
  }

  /** Whether a device's frame has a number that fits. */
  static boolean fits(@Gfn long gfn) {
    return gfn >>> FRAME_BITS == 0;
  }

  /**
   * A device lies there.
   *
   * @param entry the guest's, whose rights are told
   */
  static long device(@Gfn long gfn, long entry) {
    return MARK | gfn << FRAME_SHIFT | entry & RIGHTS | PageEntry.P;
  }

  /** Whether an entry is one of these. */
  static boolean is(long entry) {
    return (entry & MARK) == MARK;
  }

  /** Whether it is a device's. */
  static boolean isDevice(long entry) {
    return is(entry) && (entry & NO_DEVICE) == 0;
  }

  /** The frame of a device. */
  static @Gfn long gfn(long entry) {
    return Addresses.gfn((entry & ~MARK) >>> FRAME_SHIFT);
  }
}
