// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;

/**
 * What the p2m says of a guest frame, in one word, since it crosses hot paths.
 *
 * <pre>
 *   63 no frame | 51..12 machine frame | 10 suppress #VE | 9..8 size | 7..4 access | 3..0 type
 * </pre>
 *
 * The machine frame is that of the guest frame asked for, not of the start of a superpage.
 */
public final class P2mEntry {
  private static final long NO_FRAME = 1L << 63;
  private static final long SUPPRESS_VE = 1L << 10;
  private static final int SIZE_SHIFT = 8;
  private static final int ACCESS_SHIFT = 4;
  private static final long NO_MACHINE_ADDRESS = -1;
  private static final long FRAME = 0x000ffffffffff000L;

  private P2mEntry() {}

  /**
   * An entry with a frame, #VE suppressed.
   *
   * @param mfn machine frame
   * @param order 0, 9 or 18: log2 of the frames that the mapping covers
   */
  public static long of(@Mfn long mfn, P2mType type, P2mAccess access, int order) {
    return mfn << Addresses.PAGE_SHIFT | attributes(type, access, order);
  }

  /** An entry without a frame. */
  public static long without(P2mType type, P2mAccess access, int order) {
    return NO_FRAME | attributes(type, access, order);
  }

  /**
   * An entry from what a table holds; for whoever implements tables.
   *
   * @param frame machine address of the frame, or -1 for none. Unit: bytes
   * @param type number of a {@link P2mType}
   * @param access number of a {@link P2mAccess}
   * @param size 0 for what an entry of a last table covers, 1 and up for those above it
   */
  public static long pack(@Maddr long frame, int type, int access, int size, boolean suppressVe) {
    return (frame == NO_MACHINE_ADDRESS ? NO_FRAME : frame)
        | type
        | (long) access << ACCESS_SHIFT
        | (long) size << SIZE_SHIFT
        | (suppressVe ? SUPPRESS_VE : 0);
  }

  private static long attributes(P2mType type, P2mAccess access, int order) {
    return type.ordinal()
        | (long) access.ordinal() << ACCESS_SHIFT
        | (long) (order / 9) << SIZE_SHIFT
        | SUPPRESS_VE;
  }

  /** The same entry, #VE suppressed or not. */
  public static long suppressVe(long entry, boolean suppress) {
    return suppress ? entry | SUPPRESS_VE : entry & ~SUPPRESS_VE;
  }

  /**
   * The same entry with another type.
   *
   * @param type number of a {@link P2mType}
   */
  public static long withType(long entry, int type) {
    return entry & ~15L | type;
  }

  /**
   * The entry of a frame further on in the same mapping.
   *
   * @param distance unit: frames
   */
  public static long advance(long entry, long distance) {
    return hasFrame(entry) ? entry + (distance << Addresses.PAGE_SHIFT) : entry;
  }

  /** The same entry with another size. */
  public static long withSize(long entry, int size) {
    return entry & ~(3L << SIZE_SHIFT) | (long) size << SIZE_SHIFT;
  }

  /** Whether there is a machine frame. */
  public static boolean hasFrame(long entry) {
    return entry >= 0;
  }

  /** The machine frame; there is one. */
  public static @Mfn long mfn(long entry) {
    return Addresses.mfn((entry & FRAME) >>> Addresses.PAGE_SHIFT);
  }

  /** The type. */
  public static P2mType type(long entry) {
    return P2mType.at((int) entry & 15);
  }

  /** The access. */
  public static P2mAccess access(long entry) {
    return P2mAccess.at((int) entry >>> ACCESS_SHIFT & 15);
  }

  /**
   * log2 of the frames that the mapping covers: 0, 9 or 18; of a hole 27 too. In the narrow tables
   * of a test it is {@link #size} that holds.
   */
  public static int order(long entry) {
    return 9 * size(entry);
  }

  /** How far above the last table the entry stands that holds the mapping: 0 to 3. */
  public static int size(long entry) {
    return (int) entry >>> SIZE_SHIFT & 3;
  }

  /** The machine frame, or {@link dev.quire.api.hw.FrameMapper#NONE}. */
  public static @Mfn long mfnOrNone(long entry) {
    return hasFrame(entry) ? mfn(entry) : Addresses.mfn(-1);
  }

  /** Whether violations are exits rather than #VE. */
  public static boolean suppressesVe(long entry) {
    return (entry & SUPPRESS_VE) != 0;
  }

  /** For people: {@code "mfn 0x1234 RAM_RW RWX order 9"}. */
  public static String describe(long entry) {
    String frame = hasFrame(entry) ? String.format("mfn 0x%x", mfn(entry)) : "no frame";
    return frame + " " + type(entry) + " " + access(entry) + " order " + order(entry);
  }
}
