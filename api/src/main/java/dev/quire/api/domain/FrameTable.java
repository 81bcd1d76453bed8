// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Mfn;
import java.util.function.LongConsumer;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Who owns each machine frame, who refers to it, and as what: Xen's frame table. What makes direct
 * pagetables safe is here: a frame has one {@link FrameType} at a time, and the type cannot change
 * while anybody relies on it. What a frame of a type may contain is for the owner's {@link
 * FrameTypeValidator} to say.
 *
 * <p>Transitions are atomic: the table is safe for use by vCPUs on several threads. Words are those
 * of {@link FrameWords}. Semantics: Xen's {@code get_page}, {@code _get_page_type}, {@code
 * _put_page_type} and {@code page_lock} (arch/x86/mm.c).
 */
@ProviderType
public interface FrameTable {
  /** Owner of a frame that is nobody's. */
  int NOBODY = -1;

  /** The pseudo-domain that owns device memory. */
  int DOM_IO = 0x7ff1;

  /** The pseudo-domain that owns the hypervisor's own frames. */
  int DOM_XEN = 0x7ff2;

  /** The pseudo-domain that owns frames shared copy-on-write. */
  int DOM_COW = 0x7ff3;

  /** No parent: a reference that no pagetable entry holds. */
  long NO_PARENT = -1;

  /** One past the highest frame that has an entry. */
  @Mfn
  long end();

  /** Lets a domain's frames be validated. Without one they can be no pagetables or descriptors. */
  void validator(int owner, FrameTypeValidator validator);

  /**
   * Gives a frame that is nobody's to a domain: one general reference, type NONE.
   *
   * @param flags ALLOCATED, and XEN_HEAP, EXTRA where they apply, of {@link FrameWords}
   */
  void assign(@Mfn long mfn, int owner, long flags);

  /**
   * Takes a domain's own reference, and so perhaps the last one, from a frame.
   *
   * @return EINVAL if it has been taken already
   */
  Errno release(@Mfn long mfn);

  /**
   * Takes a frame away from its owner, if nothing but the owner's own reference refers to it
   * ({@code steal_page}). It is nobody's then, and cannot be had by anybody, but is not free: the
   * caller gives it to somebody by {@link #assign}, once no CPU holds a translation of it.
   *
   * @param owner whose it must be
   * @return EINVAL if it is not, if it is the hypervisor's, or if somebody refers to it; nothing
   *     has changed then
   */
  Errno steal(@Mfn long mfn, int owner);

  /**
   * Says what a frame is without asking for it: for the builder of a domain that has never run,
   * which knows every reference that there is (Xen's {@code mark_pv_pt_pages_rdonly}).
   *
   * @param typeWord of {@link FrameWords}
   * @param countWord of {@link FrameWords}
   */
  void declare(@Mfn long mfn, long typeWord, long countWord);

  /** Who owns a frame. */
  int owner(@Mfn long mfn);

  /** Calls back for every frame that a domain owns, in ascending order. */
  void forEachOwned(int owner, LongConsumer action);

  /** The word of general references. */
  long countWord(@Mfn long mfn);

  /** The word of the type. */
  long typeWord(@Mfn long mfn);

  /**
   * Takes a general reference.
   *
   * @param owner whose frame it must be
   * @return whether it was: a free frame, another's, or one with too many references is refused
   */
  boolean get(@Mfn long mfn, int owner);

  /**
   * Takes a general reference to a frame, whoever owns it.
   *
   * @return the owner, or {@link #NOBODY} and no reference
   */
  int getFromOwner(@Mfn long mfn);

  /**
   * Gives a general reference back; with the last one the frame is nobody's, and free for whoever
   * the machine's memory is given to next.
   */
  void put(@Mfn long mfn);

  /**
   * Relies on a frame's type, making it that type and validating it if nobody relies on another.
   * The caller holds a general reference.
   *
   * @param type of {@link FrameWords}: a type in its place, with PAE_XEN_L2 where it applies
   * @return EINVAL if it is something else; what validation answers; EINTR or ERESTART if work must
   *     be put off (ERESTART: the frame is partial and holds what it has got)
   */
  Errno getType(@Mfn long mfn, long type, PagingWork work);

  /**
   * Relies on it no more.
   *
   * @param parent the pagetable whose entry held the reference, or {@link #NO_PARENT}
   * @param partial whether the reference is that of a partial state ({@code PTF_partial_set}); if
   *     somebody has taken that over, there is nothing to give back
   * @return OK, EINTR or ERESTART
   */
  Errno putType(@Mfn long mfn, @Mfn long parent, boolean partial, PagingWork work);

  /** Takes the reference that a table at the same level needs (linear pagetables). */
  boolean getLinear(@Mfn long mfn, @Mfn long parent, int owner);

  /**
   * Locks a validated frame against changes of its content by others, and takes a type reference.
   *
   * @return false if nobody relies on its type, or it is not validated
   */
  boolean lock(@Mfn long mfn);

  /** Ends {@link #lock}. */
  void unlock(@Mfn long mfn);

  /** Pins; false if it was pinned already. The caller's references become the pin's. */
  boolean pin(@Mfn long mfn);

  /** Unpins; false if it was not pinned. The pin's references become the caller's. */
  boolean unpin(@Mfn long mfn);

  /**
   * Notes that the guest maps the frame writable past the caches: they are flushed before it
   * becomes anything but writable (XSA-402).
   */
  void setNonCoherent(@Mfn long mfn);

  /** How many entries of a pagetable have been validated, from the first on: of a partial one. */
  int validated(@Mfn long mfn);

  /** Whether the entry behind those holds a reference to a table that is itself partial. */
  boolean hasPartialChild(@Mfn long mfn);

  /** Notes how far validation or its undoing has come; for the validator. */
  void progress(@Mfn long mfn, int validated, boolean partialChild);

  /**
   * Uses of a table in tables of its own level (negative), or such uses of others that it contains
   * (positive).
   */
  int linear(@Mfn long mfn);
}
