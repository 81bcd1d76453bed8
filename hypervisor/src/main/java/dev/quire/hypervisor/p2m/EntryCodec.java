// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.x86.PageEntry;

/**
 * What the bits of an entry mean: the whole difference between the two formats. What both share is
 * here: bits 51:12 hold the frame (all ones: none), bit 7 makes an entry above the last level a
 * mapping, the type begins at bit 52, an entry of zeros is nothing at all. Levels are numbered from
 * 1, the last table, upwards.
 *
 * <p>An entry is <i>pending</i> if hardware traps on it for the sake of a recalculation only, and
 * <i>retyped</i> if the type in it, or in those below it, may be out of date.
 */
abstract sealed class EntryCodec permits X86Codec, EptCodec {
  /** Nothing. */
  static final long EMPTY = 0;

  /** In the place of an entry: the mapping must be split first. */
  static final long MIXED = -1;

  static final long FRAME = PageEntry.FRAME;
  static final long SUPERPAGE = PageEntry.PS;
  static final int TYPE_SHIFT = 52;
  static final int TYPE_MASK = 15;
  static final int ACCESS_SHIFT = 59;
  static final int ACCESS_MASK = 15;
  private static final @Maddr long NO_FRAME = Addresses.maddr(-1);

  private final P2mFormat format;
  private final long presentMask;
  private final long retypedMask;
  private final long retypedValue;
  private final long pendingMask;
  private final long pendingValue;

  /**
   * Masks for the questions that the hot path asks.
   *
   * @param presentMask hardware uses an entry that has any of these bits
   * @param retypedMask an entry is retyped if its bits in here equal {@code retypedValue}
   * @param pendingMask an entry is pending if its bits in here equal {@code pendingValue}
   */
  EntryCodec(
      P2mFormat format,
      long presentMask,
      long retypedMask,
      long retypedValue,
      long pendingMask,
      long pendingValue) {
    this.format = format;
    this.presentMask = presentMask;
    this.retypedMask = retypedMask;
    this.retypedValue = retypedValue;
    this.pendingMask = pendingMask;
    this.pendingValue = pendingValue;
  }

  final P2mFormat format() {
    return format;
  }

  final boolean isPresent(long entry) {
    return (entry & presentMask) != 0;
  }

  final boolean isRetyped(long entry) {
    return (entry & retypedMask) == retypedValue;
  }

  final boolean isPending(long entry) {
    return (entry & pendingMask) == pendingValue;
  }

  final boolean isTable(long entry, int level) {
    return level > 1 && isPresent(entry) && (entry & SUPERPAGE) == 0;
  }

  /** The table that an entry refers to. */
  static @Mfn long tableOf(long entry) {
    return Addresses.mfn((entry & FRAME) >>> Addresses.PAGE_SHIFT);
  }

  /**
   * What a mapping says of one of its frames, as it stands.
   *
   * @param entry no table
   * @param offset which of its frames
   * @return a {@link P2mEntry}
   */
  final long decode(long entry, long offset, int level) {
    if (entry == EMPTY) {
      return hole(level);
    }
    long frame = entry & FRAME;
    @Maddr
    long address =
        frame == FRAME ? NO_FRAME : Addresses.maddr(frame + (offset << Addresses.PAGE_SHIFT));
    return P2mEntry.pack(
        address, type(entry), access(entry), Math.min(level - 1, 3), suppressesVe(entry));
  }

  static int type(long entry) {
    return (int) (entry >>> TYPE_SHIFT) & TYPE_MASK;
  }

  /** What there is where nothing is. */
  final long hole(int level) {
    int access = holeAccess().ordinal();
    return P2mEntry.pack(NO_FRAME, P2mType.MMIO_DM.ordinal(), access, Math.min(level - 1, 3), true);
  }

  /**
   * The entry that says so in a table.
   *
   * @param what a {@link P2mEntry} of the first frame; its size does not count
   * @param gfn its first guest frame
   * @param frames how many frames it maps: what an entry of {@code level} covers
   * @return the entry; {@link #EMPTY} if there is no frame and the type needs one
   */
  abstract long encode(long what, @Gfn long gfn, long frames, int level);

  /** An entry that refers to a table. */
  abstract long table(@Mfn long mfn);

  /**
   * The entry as it is when its recalculation is still to be done.
   *
   * @param types whether types must be recalculated, or memory types only
   */
  abstract long mark(long entry, boolean types);

  /** A table's entry after what was pending has been passed on to the entries of the table. */
  abstract long unmark(long entry);

  /** Whether one trap in a last table settles all of its entries. */
  abstract boolean settlesWholeTables();

  /** Whether the format has rights of its own for a mapping, and #VE. */
  abstract boolean storesAccess();

  abstract P2mAccess holeAccess();

  abstract int access(long entry);

  abstract boolean suppressesVe(long entry);

  /** Bits that hardware may have changed since the entry was written. */
  abstract long hardwareBits();

  /**
   * Why hardware would refuse an entry that is not pending; an empty string if it would not.
   *
   * @param frames how many frames an entry of {@code level} covers
   */
  abstract String illegal(long entry, int level, long frames);

  /** Whether the format can express a {@link P2mEntry}; if not, it must not be written. */
  abstract boolean canHold(long what);

  static boolean isAligned(long entry, long frames) {
    return (entry & FRAME & (frames - 1) << Addresses.PAGE_SHIFT) == 0;
  }
}
