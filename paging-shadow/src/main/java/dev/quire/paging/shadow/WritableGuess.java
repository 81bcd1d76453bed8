// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;

/**
 * Where known guests map their tables writable: a window onto their own tables, at a place that
 * follows from the address whose tables are changed, or a map of all memory, at a place that
 * follows from the guest frame ({@code guess_wrmap} and its callers). A guess costs a look into the
 * shadow and is right or not.
 */
enum WritableGuess {
  /** 32-bit Windows: last-level tables. */
  WINDOWS_32(2, 1, 0xc0000000L, 10),
  /** 32-bit Linux: all memory. */
  LINUX_32(2, 0, 0xc0000000L, 0),
  /** FreeBSD, 32-bit. */
  FREEBSD_32(2, 1, 0xbfc00000L, 10),
  /** Windows with PAE. */
  WINDOWS_PAE_1(3, 1, 0xc0000000L, 9),
  /** The same: level 2. */
  WINDOWS_PAE_2(3, 2, 0xc0600000L, 18),
  /** Linux with PAE: all memory. */
  LINUX_PAE(3, 0, 0xc0000000L, 0),
  /** FreeBSD with PAE. */
  FREEBSD_PAE(3, 1, 0xbf800000L, 9),
  /** 64-bit Windows: last-level tables. */
  WINDOWS_64_1(4, 1, 0xfffff68000000000L, 9),
  /** The same: level 2. */
  WINDOWS_64_2(4, 2, 0xfffff6fb40000000L, 18),
  /** The same: level 3. */
  WINDOWS_64_3(4, 3, 0xfffff6fb7da00000L, 27),
  /** 64-bit Linux from 4.20 on: all memory. */
  LINUX_64(4, 0, 0xffff888000000000L, 0),
  /** 64-bit Linux before. */
  LINUX_64_BEFORE_4_20(4, 0, 0xffff880000000000L, 0),
  /** 64-bit Linux before 2.6.31. */
  LINUX_64_BEFORE_2_6_31(4, 0, 0xffff810000000000L, 0),
  /** 64-bit Linux with five levels: all memory. */
  LINUX_64_LA57(5, 0, 0xff11000000000000L, 0),
  /** 64-bit Solaris: all memory. */
  SOLARIS_64(4, 0, 0xfffffe0000000000L, 0),
  /** 64-bit FreeBSD: last-level tables. */
  FREEBSD_64(4, 1, 0xffff800000000000L, 9);

  private final int guestLevels;
  private final int level;
  private final long base;
  private final int shift;

  WritableGuess(int guestLevels, int level, long base, int shift) {
    this.guestLevels = guestLevels;
    this.level = level;
    this.base = base;
    this.shift = shift;
  }

  /** Whether such a guest may have a table of this level there. */
  boolean isFor(int ofGuestLevels, int ofLevel) {
    return guestLevels == ofGuestLevels && (level == 0 || level == ofLevel);
  }

  /**
   * Where the mapping would be.
   *
   * @param fault the address whose tables are being used
   * @param gfn the guest frame of the table
   */
  @Gva
  long address(@Gva long fault, @Gfn long gfn) {
    if (shift == 0) {
      return Addresses.gva(base + (gfn << Addresses.PAGE_SHIFT));
    }
    int bits = guestLevels == 4 ? 48 : 32;
    long translated = fault & (1L << bits) - 1;
    return Addresses.gva(base + (translated >>> shift));
  }
}
