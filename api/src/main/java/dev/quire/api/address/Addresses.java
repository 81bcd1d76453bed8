// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

/**
 * Every conversion between kinds of address. Nothing else in Quire may give a number a kind.
 *
 * <p>Names read as Xen's do: {@code gfnToGpa} is its {@code gfn_to_gaddr}. The entry points from
 * plain numbers ({@link #gfn} and its like) are for places where a number becomes an address by
 * definition: a field of an entry or register was extracted, a trace or configuration was read, a
 * packed long was unpacked.
 *
 * <p>No method checks its argument: width and canonical form depend on the machine, which is not
 * known here. All are small enough for the just-in-time compiler to leave nothing of them.
 */
@SuppressWarnings("subtyping:return")
public final class Addresses {
  /** Binary logarithm of the size of a frame. Unit: bits. */
  public static final int PAGE_SHIFT = 12;

  /** Size of a frame. Unit: bytes. */
  public static final long PAGE_SIZE = 1L << PAGE_SHIFT;

  /** The bits of an address that are its offset in a frame. */
  public static final long PAGE_OFFSET_MASK = PAGE_SIZE - 1;

  private Addresses() {}

  /**
   * Takes a number for a guest virtual address.
   *
   * @param raw the number. Unit: bytes
   * @return the same number
   */
  public static @Gva long gva(long raw) {
    return raw;
  }

  /**
   * Takes a number for a guest physical address.
   *
   * @param raw the number. Unit: bytes
   * @return the same number
   */
  public static @Gpa long gpa(long raw) {
    return raw;
  }

  /**
   * Takes a number for a guest frame number.
   *
   * @param raw the number. Unit: frames
   * @return the same number
   */
  public static @Gfn long gfn(long raw) {
    return raw;
  }

  /**
   * Takes a number for a machine frame number.
   *
   * @param raw the number. Unit: frames
   * @return the same number
   */
  public static @Mfn long mfn(long raw) {
    return raw;
  }

  /**
   * Takes a number for a machine address.
   *
   * @param raw the number. Unit: bytes
   * @return the same number
   */
  public static @Maddr long maddr(long raw) {
    return raw;
  }

  /**
   * The guest frame that holds a guest physical address.
   *
   * @param gpa guest physical address. Unit: bytes
   * @return its guest frame number
   */
  public static @Gfn long gpaToGfn(@Gpa long gpa) {
    return gpa >>> PAGE_SHIFT;
  }

  /**
   * The first guest physical address of a guest frame.
   *
   * @param gfn guest frame number
   * @return guest physical address. Unit: bytes
   */
  public static @Gpa long gfnToGpa(@Gfn long gfn) {
    return gfn << PAGE_SHIFT;
  }

  /**
   * A guest physical address in a guest frame.
   *
   * @param gfn guest frame number
   * @param offset offset in the frame, below {@link #PAGE_SIZE}. Unit: bytes
   * @return guest physical address. Unit: bytes
   */
  public static @Gpa long gfnToGpa(@Gfn long gfn, long offset) {
    return gfn << PAGE_SHIFT | offset;
  }

  /**
   * The machine frame that holds a machine address.
   *
   * @param maddr machine address. Unit: bytes
   * @return its machine frame number
   */
  public static @Mfn long maddrToMfn(@Maddr long maddr) {
    return maddr >>> PAGE_SHIFT;
  }

  /**
   * The first machine address of a machine frame.
   *
   * @param mfn machine frame number
   * @return machine address. Unit: bytes
   */
  public static @Maddr long mfnToMaddr(@Mfn long mfn) {
    return mfn << PAGE_SHIFT;
  }

  /**
   * A machine address in a machine frame.
   *
   * @param mfn machine frame number
   * @param offset offset in the frame, below {@link #PAGE_SIZE}. Unit: bytes
   * @return machine address. Unit: bytes
   */
  public static @Maddr long mfnToMaddr(@Mfn long mfn, long offset) {
    return mfn << PAGE_SHIFT | offset;
  }

  /**
   * The machine frame of a guest frame in a domain that owns the machine: the same number.
   *
   * <p>Only for domains whose physical address space is the machine's (not translated, in Xen's
   * words); for any other domain this is the p2m's answer to give.
   *
   * @param gfn guest frame number of an untranslated domain
   * @return machine frame number
   */
  public static @Mfn long identityGfnToMfn(@Gfn long gfn) {
    return gfn;
  }

  /**
   * The guest frame of a machine frame in a domain that owns the machine: the same number.
   *
   * @param mfn machine frame number
   * @return guest frame number in an untranslated domain
   */
  public static @Gfn long identityMfnToGfn(@Mfn long mfn) {
    return mfn;
  }

  /**
   * The machine address of a guest physical address in a domain that owns the machine: the same
   * number.
   *
   * @param gpa guest physical address of an untranslated domain. Unit: bytes
   * @return machine address. Unit: bytes
   */
  public static @Maddr long identityGpaToMaddr(@Gpa long gpa) {
    return gpa;
  }

  /**
   * The guest physical address of a machine address in a domain that owns the machine: the same
   * number.
   *
   * @param maddr machine address. Unit: bytes
   * @return guest physical address in an untranslated domain. Unit: bytes
   */
  public static @Gpa long identityMaddrToGpa(@Maddr long maddr) {
    return maddr;
  }

  /**
   * An address or frame further on, of the same kind.
   *
   * @param start address or frame number of any kind
   * @param distance what to add, in the unit of {@code start}; may be negative
   * @return the sum
   */
  public static @PolyAddress long advance(@PolyAddress long start, long distance) {
    return start + distance;
  }

  /**
   * The first address of the naturally aligned block that holds an address, of the same kind.
   *
   * @param address address or frame number of any kind
   * @param size size of the block, a power of two, in the unit of {@code address}
   * @return the address with its low bits cleared
   */
  public static @PolyAddress long alignDown(@PolyAddress long address, long size) {
    return address & -size;
  }

  /**
   * The offset of an address in its 4 KiB frame.
   *
   * @param address address of any kind. Unit: bytes
   * @return offset below {@link #PAGE_SIZE}. Unit: bytes
   */
  public static long pageOffset(long address) {
    return address & PAGE_OFFSET_MASK;
  }
}
