// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Mfn;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A domain's bounded memory for tables that are not the guest's: p2m, log-dirty bitmaps, shadows
 * (Xen's paging allocation). Frames are the domain's but appear in no p2m. Safe for use by several
 * threads.
 */
@ProviderType
public interface PagingPool {
  /** No frame. */
  long NONE = -1;

  /**
   * A frame, zeroed.
   *
   * @return machine frame number, or {@link #NONE} if the pool is used up
   */
  @Mfn
  long allocate();

  /**
   * Takes a frame back. Whoever frees a table has flushed what hardware cached of it before.
   *
   * @throws IllegalStateException for a frame that is not in use out of this pool: one that was
   *     freed twice would become two tables
   */
  void free(@Mfn long mfn);

  /** How many frames are in use. */
  long used();

  /** How many frames there are, used and free. */
  long total();

  /**
   * Makes the pool larger or smaller.
   *
   * @param frames how many there shall be
   * @return ENOMEM if the machine has no more, EBUSY if so many are in use; nothing has changed
   *     then
   */
  Errno resize(long frames);
}
