// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

/**
 * The kind of one access to memory, as flags in the top bits of a word whose other bits are the
 * linear address (see {@code dev.quire.api.hw.Operation}). A data read has none of the flags.
 *
 * <p>EFLAGS.AC and "implicit supervisor access" have one bit between them, since SMAP asks one
 * question only: is this access exempt?
 */
public final class Access {
  /** Instruction fetch. */
  public static final long FETCH = 1L << 63;

  /** Data write, or a read-modify-write, which needs the same rights. */
  public static final long WRITE = 1L << 62;

  /** User-mode access: at CPL 3, and not an implicit supervisor access. */
  public static final long USER = 1L << 61;

  /**
   * Not subject to SMAP: a user-mode access, or an explicit supervisor access with EFLAGS.AC = 1.
   */
  public static final long SMAP_EXEMPT = 1L << 60;

  /** All flags of this class. */
  public static final long MASK = FETCH | WRITE | USER | SMAP_EXEMPT;

  private Access() {}

  /**
   * The flags of an access.
   *
   * @param kind {@link #FETCH}, {@link #WRITE} or 0 for a data read
   * @param user made at CPL 3 and not implicit
   * @param alignmentCheck EFLAGS.AC at that time; irrelevant to user-mode accesses
   */
  public static long of(long kind, boolean user, boolean alignmentCheck) {
    return kind | (user ? USER | SMAP_EXEMPT : alignmentCheck ? SMAP_EXEMPT : 0);
  }

  /** For people: {@code "user write"}. */
  public static String describe(long access) {
    String kind = (access & FETCH) != 0 ? "fetch" : (access & WRITE) != 0 ? "write" : "read";
    if ((access & USER) != 0) {
      return "user " + kind;
    }
    return "supervisor " + kind + ((access & SMAP_EXEMPT) != 0 ? " (AC)" : "");
  }
}
