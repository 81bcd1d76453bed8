// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

/**
 * The two words that say what a machine frame is to the hypervisor, as Xen's {@code page_info}
 * packs them (asm/mm.h).
 *
 * <pre>
 *   type    63..61 type | 60 locked | 59 pinned | 58 validated | 57 PAE Xen L2 | 56 partial | 55 non-coherent | 54..0 count
 *   count   63 allocated | 62 Xen heap | 61 extra | 60 broken | 55..0 count
 * </pre>
 */
public final class FrameWords {
  /** Where the type is. */
  public static final int TYPE_SHIFT = 61;

  /** The bits of the type. */
  public static final long TYPE = 7L << TYPE_SHIFT;

  /** Entries are being changed under the frame's own lock, which holds a type reference. */
  public static final long LOCKED = 1L << 60;

  /** A pin of the guest holds one type and one general reference. */
  public static final long PINNED = 1L << 59;

  /** The content has been checked for the type. */
  public static final long VALIDATED = 1L << 58;

  /** A level-2 table with the hypervisor's slots of a PAE guest: part of the type. */
  public static final long PAE_XEN_L2 = 1L << 57;

  /** Validation or its undoing stopped half-way; one general reference more is held. */
  public static final long PARTIAL = 1L << 56;

  /** Was mapped with another memory type than write-back. */
  public static final long NON_COHERENT = 1L << 55;

  /** How many rely on the type. */
  public static final long TYPE_COUNT = NON_COHERENT - 1;

  /** The owner holds a general reference for as long as the frame is its. */
  public static final long ALLOCATED = 1L << 63;

  /** The hypervisor's own memory, lent to a domain. */
  public static final long XEN_HEAP = 1L << 62;

  /** The domain's, but not its to give away. */
  public static final long EXTRA = 1L << 61;

  /** The memory has failed. */
  public static final long BROKEN = 1L << 60;

  /** General references. */
  public static final long COUNT = (1L << 56) - 1;

  private FrameWords() {}

  /** The type. */
  public static FrameType type(long typeWord) {
    return FrameType.at((int) (typeWord >>> TYPE_SHIFT));
  }

  /** A type in its place. */
  public static long of(FrameType type) {
    return (long) type.ordinal() << TYPE_SHIFT;
  }

  /** How many rely on the type. */
  public static long typeCount(long typeWord) {
    return typeWord & TYPE_COUNT;
  }

  /** General references. */
  public static long count(long countWord) {
    return countWord & COUNT;
  }

  /** For people: {@code "l2 count 3 VP, general 4 A"}. */
  public static String describe(long typeWord, long countWord) {
    return String.format(
        "%s count %d %s, general %d %s",
        type(typeWord).title(),
        typeCount(typeWord),
        flags(typeWord),
        count(countWord),
        (countWord & ALLOCATED) != 0 ? "A" : "-");
  }

  /** The flags of a type word by their letters: V, P, p, L, N, X. */
  public static String flags(long typeWord) {
    String all =
        ((typeWord & VALIDATED) != 0 ? "V" : "")
            + ((typeWord & PINNED) != 0 ? "P" : "")
            + ((typeWord & PARTIAL) != 0 ? "p" : "")
            + ((typeWord & LOCKED) != 0 ? "L" : "")
            + ((typeWord & NON_COHERENT) != 0 ? "N" : "")
            + ((typeWord & PAE_XEN_L2) != 0 ? "X" : "");
    return all.isEmpty() ? "-" : all;
  }
}
