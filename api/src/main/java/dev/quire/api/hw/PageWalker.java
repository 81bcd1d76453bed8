// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gva;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Walks page tables in software: for backends, for the hypervisor's own accesses to guest memory,
 * for {@code explain}. The source of the walk is the one that the CPUs run. Safe for use by several
 * threads; counts nothing and caches nothing. Obtained from {@link Machine#walker}.
 */
@ProviderType
public interface PageWalker {
  /** Leave A and D bits alone: the walk changes nothing. */
  boolean LOOK_ONLY = false;

  /** Set A and D bits as an access would. */
  boolean SET_ACCESSED_DIRTY = true;

  /**
   * One walk with the rights check of an access.
   *
   * @param context rules, root and keys; paging is on
   * @param linear linear address
   * @param access flags of {@link dev.quire.api.x86.Access}
   * @param frames where table frames lie; null if entries hold machine addresses
   * @param update {@link #SET_ACCESSED_DIRTY} or {@link #LOOK_ONLY}
   * @param trace told of every step, or null
   * @return a {@link dev.quire.api.x86.Translation}: where the page is, or the fault
   */
  long walk(
      PagingContext context,
      @Gva long linear,
      long access,
      @Nullable FrameMapper frames,
      boolean update,
      @Nullable WalkTrace trace);
}
