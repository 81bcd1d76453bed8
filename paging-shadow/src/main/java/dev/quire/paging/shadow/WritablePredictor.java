// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;

/**
 * Where a frame was last found writable ({@code PGT_writable_pred}): a frame that was a table once
 * is likely to become one again, and to be mapped where it was.
 */
final class WritablePredictor {
  /** By machine frame: the place plus one. */
  private final FrameInts places = new FrameInts();

  /** The place to look at first, or {@link ShadowPages#NO_PARENT}. */
  long place(@Mfn long mfn) {
    return places.get(mfn) - 1L;
  }

  /** It was found there. */
  void found(@Mfn long mfn, long place) {
    places.set(mfn, place < Integer.MAX_VALUE ? (int) place + 1 : 0);
  }
}
