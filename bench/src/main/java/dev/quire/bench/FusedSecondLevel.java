// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Translation;
import java.util.Arrays;

/** The second level of {@link FusedKernel}: 1536 entries, 12 ways. */
final class FusedSecondLevel {
  static final long LANES = 0x0001000100010001L;
  static final long TOPS = 0x8000800080008000L;

  private static final long NIBBLES = 0x1111111111111111L;
  private static final int SPACE_SHIFT = 47;
  private static final long PCID = 0x3fL;
  private static final long SPACE = 0xfffL;
  private static final int SETS = 128;
  private static final int META = 4;
  private static final int STRIDE = 32;
  private static final int WAYS = 12;
  private static final int OLDEST = 4 * (WAYS - 1);

  /** For each set the ways in order of use, then three words of partial keys. */
  private static final long[] meta = new long[SETS * META];

  private static final long[] slots = new long[SETS * STRIDE];
  private static boolean globals;

  private FusedSecondLevel() {}

  static void flush() {
    Arrays.fill(slots, 0);
    Arrays.fill(meta, 0);
    for (int m = 0; m < meta.length; m += META) {
      meta[m] = 0xBA9876543210L;
    }
    globals = false;
  }

  private static long key(long probe, long space) {
    return (probe & Operation.ADDRESS) >>> 12 | (probe & space) << SPACE_SHIFT;
  }

  static long find(long probe) {
    int slot = use(key(probe, SPACE));
    if (slot < 0 && globals) {
      slot = use(key(probe, SPACE & ~PCID));
    }
    return slot < 0 ? 0 : slots[slot + 1];
  }

  private static int use(long key) {
    int slot = peek(key);
    if (slot >= 0) {
      int m = ((int) key & SETS - 1) * META;
      int way = (slot & STRIDE - 1) >>> 1;
      if ((meta[m] & 15) != way) {
        meta[m] = moveToFront(meta[m], way);
      }
    }
    return slot;
  }

  private static int peek(long key) {
    int set = (int) key & SETS - 1;
    int m = set * META;
    long probe = (key >>> 7 & 0xffff) * LANES;
    long a = meta[m + 1] ^ probe;
    long b = meta[m + 2] ^ probe;
    long c = meta[m + 3] ^ probe;
    long ways =
        (a - LANES & ~a & TOPS) >>> 3
            | (b - LANES & ~b & TOPS) >>> 2
            | (c - LANES & ~c & TOPS) >>> 1;
    for (; ways != 0; ways &= ways - 1) {
      int bit = Long.numberOfTrailingZeros(ways);
      int slot = set * STRIDE + 2 * ((bit & 3) << 2 | bit >>> 4);
      if (slots[slot] == key) {
        return slot;
      }
    }
    return -1;
  }

  static void put(long probe, long translation) {
    boolean global = (translation & Translation.GLOBAL) != 0;
    globals |= global;
    long key = key(probe, global ? SPACE & ~PCID : SPACE);
    int set = (int) key & SETS - 1;
    int m = set * META;
    long order = meta[m];
    int way = (int) (order >>> OLDEST) & 15;
    meta[m] = order << 4 & 0xffffffffffffL | way;
    int slot = set * STRIDE + 2 * way;
    slots[slot] = key;
    slots[slot + 1] = translation;
    int word = m + 1 + (way >>> 2);
    int shift = (way & 3) << 4;
    meta[word] = meta[word] & ~(0xffffL << shift) | (key >>> 7 & 0xffff) << shift;
  }

  static void drop(long probe) {
    remove(peek(key(probe, SPACE)));
    remove(peek(key(probe, SPACE & ~PCID)));
  }

  private static void remove(int slot) {
    if (slot >= 0) {
      slots[slot] = 0;
      slots[slot + 1] = 0;
      int m = slot / STRIDE * META;
      meta[m] = moveToBack(meta[m], (slot & STRIDE - 1) >>> 1, WAYS);
    }
  }

  static long moveToFront(long order, long way) {
    long low = (1L << placeOf(order, way)) - 1;
    return order & ~(low << 4 | 15) | (order & low) << 4 | way;
  }

  static long moveToBack(long order, long way, int ways) {
    int place = placeOf(order, way);
    return order & (1L << place) - 1 | order >>> place >>> 4 << place | way << 4 * (ways - 1);
  }

  private static int placeOf(long order, long way) {
    long diff = order ^ way * NIBBLES;
    return Long.numberOfTrailingZeros(diff - NIBBLES & ~diff & 8 * NIBBLES) - 3;
  }
}
