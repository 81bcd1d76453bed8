// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a guest can ask of the hypervisor about pagetables that hold machine addresses, one
 * operation at a time: the effects of Xen's {@code mmu_update} and {@code mmuext_op} hypercalls,
 * without their decoding. A call that answers ERESTART goes on when it is made again; before any
 * call what has been put off must be {@linkplain PagingWork#finish done}.
 */
@ConsumerType
public interface Pagetables {
  /**
   * Changes an entry, or a quadword of a frame that is no pagetable ({@code MMU_NORMAL_PT_UPDATE}).
   *
   * @param pointer where it is, quadword-aligned, in a frame of the domain
   * @param value the new entry
   * @param preserve whether A and D of the old entry stay set ({@code MMU_PT_UPDATE_PRESERVE_AD})
   * @param pageOwner whose frames the entry maps: the domain's own number as a rule
   * @return EINVAL, EBUSY, EPERM, EACCES, EFAULT, ERESTART
   */
  Errno update(@Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work);

  /**
   * Makes a frame a pagetable and keeps it one ({@code MMUEXT_PIN_L1_TABLE} to {@code L4}).
   *
   * @param level 1 to 4
   */
  Errno pin(@Mfn long mfn, int level, PagingWork work);

  /** Ends {@link #pin} ({@code MMUEXT_UNPIN_TABLE}). */
  Errno unpin(@Mfn long mfn, PagingWork work);

  /** Fills a frame with zeros ({@code MMUEXT_CLEAR_PAGE}). */
  Errno clear(@Mfn long mfn, PagingWork work);
}
