// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.Arrays;

/**
 * Finds the shadow of something under a type: chains from buckets, what was found moves to the
 * front of its chain ({@code sh_hash_lookup}).
 *
 * <p>The key of a table's shadow is the machine frame of the table plus one, so that none is 0. The
 * key of a splintered superpage is its first guest frame plus one; above it is the protection key,
 * which every entry of the splinter carries.
 */
final class ShadowHash {
  /** As in Xen. */
  static final int BUCKETS = 251;

  private static final int PROTECTION_KEY_SHIFT = 56;

  private final ShadowPages pages;
  private final int[] first = new int[BUCKETS];
  private int[] next = new int[64];

  ShadowHash(ShadowPages pages) {
    this.pages = pages;
  }

  /** The key of a table that the guest has. */
  static long ofTable(long mfn) {
    return mfn + 1;
  }

  /** The key of a table that the guest does not have. */
  static long ofSplinter(long gfn, int protectionKey) {
    return gfn + 1 | (long) protectionKey << PROTECTION_KEY_SHIFT;
  }

  /**
   * The frame that a key is about: a machine frame, or the guest frame that a superpage begins
   * with.
   */
  static long frame(long key) {
    return (key & (1L << PROTECTION_KEY_SHIFT) - 1) - 1;
  }

  /** The protection key that a splinter carries. */
  static int protectionKey(long key) {
    return (int) (key >>> PROTECTION_KEY_SHIFT);
  }

  /** Answers the shadow, or {@link ShadowPages#NONE}. */
  int find(int type, long key) {
    int bucket = bucket(type, key);
    int before = ShadowPages.NONE;
    int slot = first[bucket];
    while (slot != ShadowPages.NONE) {
      if (pages.key(slot) == key && pages.type(slot) == type) {
        if (before != ShadowPages.NONE) {
          next[before] = next[slot];
          next[slot] = first[bucket];
          first[bucket] = slot;
        }
        return slot;
      }
      before = slot;
      slot = next[slot];
    }
    return ShadowPages.NONE;
  }

  void add(int slot) {
    if (slot >= next.length) {
      next = Arrays.copyOf(next, Math.max(slot + 1, 2 * next.length));
    }
    int bucket = bucket(pages.type(slot), pages.key(slot));
    next[slot] = first[bucket];
    first[bucket] = slot;
  }

  void remove(int slot) {
    int bucket = bucket(pages.type(slot), pages.key(slot));
    int at = first[bucket];
    if (at == slot) {
      first[bucket] = next[slot];
      return;
    }
    while (next[at] != slot) {
      at = next[at];
    }
    next[at] = next[slot];
  }

  /** The slots of a bucket, for the audit. */
  int[] bucket(int number) {
    int[] slots = new int[0];
    for (int slot = first[number]; slot != ShadowPages.NONE; slot = next[slot]) {
      slots = Arrays.copyOf(slots, slots.length + 1);
      slots[slots.length - 1] = slot;
    }
    return slots;
  }

  /** The bucket of a key. */
  static int bucket(int type, long key) {
    return (int) Long.remainderUnsigned(key * 31 + type, BUCKETS);
  }
}
