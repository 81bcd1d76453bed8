// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gfn;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Which guest frames were written since one last looked: live migration's view of a domain. Belongs
 * to the domain and survives a swap of the backend. Xen's {@code XEN_DOMCTL_shadow_op}; the bitmap
 * is a trie of pages out of the domain's {@link PagingPool}.
 *
 * <p>Every guest write after {@link #enable} or {@link #clean} has returned appears in the next
 * answer; the bitmap may hold more, never less.
 */
@ProviderType
public interface LogDirty {
  /** Whether writes are logged. */
  boolean isEnabled();

  /**
   * Begins to log.
   *
   * @return EINVAL if it is on already, EOPNOTSUPP if the backend cannot, EBUSY while another
   *     preempted operation is unfinished or ioreq-server entries exist
   */
  Errno enable();

  /** Ends logging and frees the bitmap; preemptible. */
  Errno disable();

  /**
   * Answers what is dirty and begins a new round; the domain's vCPUs are at safe points meanwhile.
   * Preemptible: ERESTART means that the same call goes on, and any other operation is EBUSY.
   *
   * @param bitmap receives a bit for each frame from gfn 0 on; null to begin a new round only
   * @param frames how many frames the caller wants to know of; clipped to what there is
   * @return ENOMEM if bits were lost because the pool was used up, until logging is disabled;
   *     EFAULT if the bitmap is too short
   */
  Errno clean(long @Nullable [] bitmap, long frames);

  /** The same without beginning a new round. */
  Errno peek(long[] bitmap, long frames);

  /**
   * Notes a write that hardware did not see: by the hypervisor, a device, an emulated operation.
   * Does nothing while logging is off.
   */
  void mark(@Gfn long gfn);

  /** The same for a write that hardware refused for the log's sake, which is counted. */
  void faulted(@Gfn long gfn);

  /**
   * Tracks a frame buffer apart from the log (VRAM): answers which of its frames were written since
   * the last call with the same range, and begins a new round for them.
   *
   * @param count how many frames; 0 ends the tracking
   * @param bitmap receives a bit for each frame of the range
   * @return EFAULT if the bitmap is too short, EBUSY while another operation is unfinished,
   *     EOPNOTSUPP without a p2m, ENOMEM
   */
  Errno trackRange(@Gfn long first, long count, long[] bitmap);

  /** Faults taken for the log since the last round. */
  long faults();

  /** Frames that became dirty since the last round. */
  long dirtied();

  /** Recomputes what should hold; a sentence for each thing that does not. */
  List<String> audit();
}
