// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The result of a nested walk in one word: a {@link Translation} whose attributes say what the
 * nested tables permit, the first three as an EPT entry says it.
 *
 * <pre>
 *   0 | 51..12 frame | 11 PRESENT | 7 user-executable | 6..5 size | 4 D | 2 executable | 1 writable | 0 readable
 * </pre>
 *
 * Without A and D flags, D is set in every one. A fault is a {@link Translation} that is one.
 */
public final class NestedTranslation {
  /** Reads are permitted: R of EPT; U/S of NPT, for nested walks are user accesses. */
  public static final long READABLE = 1L;

  /** Writes are permitted. */
  public static final long WRITABLE = 1L << 1;

  /** Fetches from supervisor-mode linear addresses are permitted. */
  public static final long EXECUTABLE = 1L << 2;

  /** Fetches from user-mode linear addresses are permitted. */
  public static final long USER_EXECUTABLE = 1L << Translation.KEY_SHIFT;

  /** The entry that maps the page has D = 1, or there is no such flag. */
  public static final long DIRTY = Translation.DIRTY;

  /** Every right. */
  public static final long RIGHTS = WRITABLE | READABLE | EXECUTABLE | USER_EXECUTABLE;

  private NestedTranslation() {}

  /**
   * What a guest's translation and a nested one permit together, for a TLB: where nested tables
   * forbid writes, or D is clear in one of the two, D is clear, so that every write walks; R/W is
   * the guest's, which CR0.WP = 0 overrides. A page that may not be read is not to be kept.
   *
   * @param guest what the guest's tables gave
   * @param nested what the nested tables gave for an address in that page
   * @param guestPhysical that address. Unit: bytes
   * @param format of the guest's tables
   */
  public static long combine(long guest, long nested, long guestPhysical, PagingFormat format) {
    int size = Math.min(Translation.size(guest), Translation.size(nested));
    if (format.entryBytes() == 4 && Translation.size(nested) == 1) {
      size = 0; // a piece of 2 MiB is no page of that format
    }
    boolean dirty = (guest & nested & DIRTY) != 0 && (nested & WRITABLE) != 0;
    boolean userPage = (guest & Translation.USER) != 0;
    boolean executable = (nested & (userPage ? USER_EXECUTABLE : EXECUTABLE)) != 0;
    long attributes =
        guest
            & Translation.ATTRIBUTES
            & ~(3L << Translation.SIZE_SHIFT)
            & ~(dirty ? 0 : Translation.DIRTY)
            & ~(executable ? 0 : Translation.EXECUTABLE);
    long machine = address(nested, guestPhysical);
    return machine & -1L << format.shift(size + 1)
        | attributes
        | (long) size << Translation.SIZE_SHIFT;
  }

  /** The machine address that a guest-physical address reaches. */
  public static long address(long nested, long guestPhysical) {
    int shift = PagingFormat.FOUR_LEVEL.shift(Translation.level(nested));
    return Translation.address(nested, guestPhysical, shift);
  }
}
