// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;

/**
 * Layouts of keys.
 *
 * <p>First level: an operation word whose page offset gives way to the address space, so that one
 * masked comparison settles page, address space and rights.
 *
 * <pre>
 *   63 FETCH | 62 WRITE | 61 USER | 60 SMAP_EXEMPT | 59 DATA | 58 WIDE | 57 NEVER | 56..12 page | 11..6 VPID | 5..0 PCID
 * </pre>
 *
 * Second level and paging-structure caches: the low bits choose the set, so the page number is
 * there.
 *
 * <pre>
 *   58..53 VPID | 52..47 PCID | 46..45 size | 44..0 page number
 * </pre>
 *
 * VPID and PCID are the small numbers that {@link TagSlots} gives out, from 1; PCID 0 marks a
 * global translation.
 */
public final class Key {
  /** The PCID in a first-level key. */
  public static final long PCID = 0x3fL;

  /** The VPID in a first-level key. */
  public static final long VPID = 0x3fL << 6;

  /** The address space in a first-level key. */
  public static final long SPACE = VPID | PCID;

  /** No operation has this bit: an entry that cares for it is found by {@code lookup} only. */
  public static final long NEVER = 1L << 57;

  /** The page number in a first-level key. */
  public static final long PAGE = Operation.ADDRESS & ~0xfffL;

  /** What an operation keeps when it becomes a probe. */
  public static final long OPERATION = ~0xfffL;

  /** What makes an operation other than a plain probe of a linear address. */
  public static final long SPECIAL = Operation.DATA | Operation.WIDE | NEVER;

  /** What tells one translation from another; the rest of a first-level key is rights. */
  public static final long PRESENT = PAGE | SPACE | Access.FETCH;

  /** Where the address space begins in a second-level key. */
  public static final int SPACE_SHIFT = 47;

  /** The PCID in a second-level key. */
  public static final long PCID_2 = PCID << SPACE_SHIFT;

  /** The VPID in a second-level key. */
  public static final long VPID_2 = VPID << SPACE_SHIFT;

  private static final int SIZE_SHIFT = 45;

  private Key() {}

  /**
   * A second-level key.
   *
   * @param linear linear address in 57 bits, flags above them are ignored
   * @param shift log2 of what the entry covers
   * @param size 0 to 2, to tell entries of different sizes apart
   * @param space VPID and PCID as in a first-level key
   */
  public static long second(long linear, int shift, int size, long space) {
    return (linear & Operation.ADDRESS) >>> shift
        | (long) size << SIZE_SHIFT
        | space << SPACE_SHIFT;
  }

  /** The size in a second-level key. */
  public static int size(long key) {
    return (int) (key >>> SIZE_SHIFT) & 3;
  }

  /** The page number in a second-level key. */
  public static long number(long key) {
    return key & (1L << SIZE_SHIFT) - 1;
  }
}
