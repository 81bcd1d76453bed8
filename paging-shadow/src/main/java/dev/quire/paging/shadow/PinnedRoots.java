// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.Arrays;

/**
 * Roots that are kept though no vCPU may be using them, in order of use ({@code pinned_shadows}):
 * an address space is likely to be switched to again.
 */
final class PinnedRoots {
  private int[] older = new int[64];
  private int[] newer = new int[64];
  private int newest = ShadowPages.NONE;
  private int oldest = ShadowPages.NONE;

  void add(int slot) {
    if (slot >= older.length) {
      int length = Math.max(slot + 1, 2 * older.length);
      older = Arrays.copyOf(older, length);
      newer = Arrays.copyOf(newer, length);
    }
    older[slot] = newest;
    newer[slot] = ShadowPages.NONE;
    if (newest == ShadowPages.NONE) {
      oldest = slot;
    } else {
      newer[newest] = slot;
    }
    newest = slot;
  }

  void remove(int slot) {
    if (older[slot] == ShadowPages.NONE) {
      oldest = newer[slot];
    } else {
      newer[older[slot]] = newer[slot];
    }
    if (newer[slot] == ShadowPages.NONE) {
      newest = older[slot];
    } else {
      older[newer[slot]] = older[slot];
    }
  }

  void use(int slot) {
    if (slot != newest) {
      remove(slot);
      add(slot);
    }
  }

  /** The one used next after one of them, or {@link ShadowPages#NONE}. */
  int newer(int slot) {
    return newer[slot];
  }

  /** The one that was not used for longest, or {@link ShadowPages#NONE}. */
  int oldest() {
    return oldest;
  }
}
