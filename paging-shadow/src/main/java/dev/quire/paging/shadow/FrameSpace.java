// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;

/**
 * What the frame numbers in a guest's tables stand for: guest frames that a p2m translates, or, in
 * the tables of a PV guest, machine frames.
 */
interface FrameSpace {
  /** What a frame is, as a {@link dev.quire.api.domain.P2mEntry}. */
  long entry(@Gfn long gfn);

  /**
   * The same, for an access; it stays so until {@link #release}.
   *
   * @param write whether the frame is to be written
   */
  long hold(@Gfn long gfn, boolean write);

  void release(@Gfn long gfn);

  /** Whether they are guest frames. */
  boolean isTranslated();

  /** By which number the guest's tables name a machine frame. */
  @Gfn
  long number(@Mfn long mfn);

  /** By which number the dirty log knows a frame that tables name by this one. */
  @Gfn
  long logged(@Gfn long gfn);

  /**
   * The machine frame that devices and the toolstack mean by a guest frame, or {@link
   * dev.quire.api.hw.FrameMapper#NONE}.
   */
  @Mfn
  long physical(@Gfn long gfn);
}
