// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;
import java.util.Arrays;

/**
 * Which last-level shadow entries map each frame, as KVM has it ({@code rmap}); Xen searches
 * instead. A chain for each frame, of the places of entries. Nothing is kept unless that is wanted.
 */
final class ReverseMaps {
  /** No link of a chain. */
  static final int NONE = 0;

  private final boolean kept;
  private final FrameInts first = new FrameInts();
  private int[] next = new int[64];
  private long[] places = new long[64];
  private int free = NONE;
  private int end = NONE + 1;

  ReverseMaps(boolean kept) {
    this.kept = kept;
  }

  /** Whether there are any. */
  boolean areKept() {
    return kept;
  }

  /** An entry maps a frame from now on. */
  void add(@Mfn long mfn, long place) {
    if (!kept) {
      return;
    }
    int link = free == NONE ? end++ : free;
    if (link == next.length) {
      next = Arrays.copyOf(next, 2 * link);
      places = Arrays.copyOf(places, 2 * link);
    } else if (link == free) {
      free = next[link];
    }
    places[link] = place;
    next[link] = first.get(mfn);
    first.set(mfn, link);
  }

  /** An entry maps a frame no longer. */
  void remove(@Mfn long mfn, long place) {
    if (!kept) {
      return;
    }
    int before = NONE;
    int link = first.get(mfn);
    while (places[link] != place) {
      before = link;
      link = next[link];
    }
    if (before == NONE) {
      first.set(mfn, next[link]);
    } else {
      next[before] = next[link];
    }
    next[link] = free;
    free = link;
  }

  /** The first link of a frame's chain, or {@link #NONE}. */
  int first(@Mfn long mfn) {
    return first.get(mfn);
  }

  /** The link after one, or {@link #NONE}. */
  int next(int link) {
    return next[link];
  }

  /** The place of the entry that a link stands for. */
  long place(int link) {
    return places[link];
  }
}
