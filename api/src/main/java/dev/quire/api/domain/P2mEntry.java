// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Addresses;
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
  private static final long FRAME = 0x000ffffffffff000L;

  private P2mEntry() {}

  /**
   * An entry with a frame.
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

  /** log2 of the frames that the mapping covers: 0, 9 or 18. */
  public static int order(long entry) {
    return 9 * ((int) entry >>> SIZE_SHIFT & 3);
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
