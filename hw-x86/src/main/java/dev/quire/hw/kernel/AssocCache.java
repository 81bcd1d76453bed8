// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.TlbGeometry.Replacement;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The cache of up to 16 ways. A template: {@link Specializer} defines it again for each structure.
 * The class IS the structure: geometry and state are static finals, hence constants for the
 * compiler (loops unroll, masks stand in the code, no bounds check where a mask proves it), and
 * each structure has its own profile.
 *
 * <p>Per set: 16-bit partial keys, four to a word, which prove absence without touching the full
 * keys, and last one word of recency. The word of recency is for LRU the ways in order of use, a
 * nibble each, the most recent lowest; for tree-PLRU the nodes of the tree, bit n for node n, each
 * pointing to the half to be replaced.
 */
public final class AssocCache extends Cache {
  private static final CacheParts PARTS =
      Specializer.data(MethodHandles.lookup(), CacheParts.class);
  private static final boolean LRU = PARTS.replacement() == Replacement.LRU;
  private static final boolean TREE = PARTS.replacement() == Replacement.TREE_PLRU;
  private static final int WAYS = PARTS.array().ways();
  private static final int SETS = PARTS.array().sets();
  private static final int SET_MASK = SETS - 1;
  private static final int KEY_SHIFT = Integer.numberOfTrailingZeros(SETS);
  private static final int WORDS = (WAYS + 3) / 4;
  private static final int META = 8 * powerOfTwo(1 + WORDS);
  private static final int RECENCY = META - 8;

  /** A slot for every partial key, also for those of ways that a last word has room for. */
  private static final int STRIDE = 2 * Math.max(4, powerOfTwo(WAYS));

  /** Proves to the compiler that a way lies within its set, in slots and partial keys alike. */
  private static final int WAY_MASK = STRIDE / 2 - 1;

  /** In a cache as small as those of the upper levels most searches are for the entry used last. */
  private static final boolean NEWEST_FIRST = LRU && SETS * WAYS <= 16;

  private static final int OLDEST = 4 * (WAYS - 1);
  private static final long ORDER_MASK = -1L >>> (64 - 4 * WAYS);
  private static final long LANES = 0x0001000100010001L;
  private static final long TOPS = 0x8000800080008000L;
  private static final long NIBBLES = 0x1111111111111111L;
  private static final long NIBBLE_TOPS = 0x8888888888888888L;

  private static final byte[] meta = new byte[SETS * META];
  private static final long[] slots = new long[SETS * STRIDE];
  private static long random;

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle CHARS =
      MethodHandles.byteArrayViewVarHandle(char[].class, ByteOrder.LITTLE_ENDIAN);

  /** For {@link Specializer}. */
  public AssocCache() {
    reset();
  }

  @Override
  public void reset() {
    Arrays.fill(slots, 0);
    Arrays.fill(meta, (byte) 0);
    for (int m = 0; LRU && m < meta.length; m += META) {
      recency(m, 0xFEDCBA9876543210L & ORDER_MASK);
    }
    random = PARTS.seed() | 1;
  }

  @Override
  public int find(long key) {
    if (NEWEST_FIRST) {
      int set = (int) key & SET_MASK;
      int newest = set * STRIDE + 2 * ((int) recency(set * META) & WAY_MASK);
      if (slots[newest] == key) {
        return newest;
      }
    }
    int slot = peek(key);
    if (slot >= 0) {
      use(((int) key & SET_MASK) * META, (slot & STRIDE - 1) >>> 1);
    }
    return slot;
  }

  private static long word(int at) {
    return (long) LONGS.get(meta, at);
  }

  private static long recency(int m) {
    return word(m + RECENCY);
  }

  private static void recency(int m, long value) {
    LONGS.set(meta, m + RECENCY, value);
  }

  private static void use(int m, long way) {
    if (LRU) {
      long order = recency(m);
      if ((order & 15) != way) {
        recency(m, moveToFront(order, way));
      }
    } else if (TREE) {
      long nodes = TreePlru.nodes((int) way, WAYS);
      recency(m, recency(m) & ~nodes | TreePlru.pointingAway((int) way, WAYS));
    }
  }

  @Override
  public int peek(long key) {
    int set = (int) key & SET_MASK;
    long probe = (key >>> KEY_SHIFT & 0xffff) * LANES;
    long ways = 0;
    for (int word = 0; word < WORDS; word++) {
      long diff = word(set * META + 8 * word) ^ probe;
      // Bit 12 + word of a 16-bit lane: that lane of that word may match. One flat loop over words
      // and
      // one over candidates: a loop over lanes in the first would not unroll.
      ways |= (diff - LANES & ~diff & TOPS) >>> 3 - word;
    }
    for (; ways != 0; ways &= ways - 1) {
      int bit = Long.numberOfTrailingZeros(ways);
      int slot = set * STRIDE + 2 * ((bit & 3) << 2 | bit >>> 4);
      if (slots[slot] == key) {
        return slot;
      }
    }
    return NONE;
  }

  @Override
  public long value(int slot) {
    return slots[slot + 1];
  }

  @Override
  public void setValue(int slot, long value) {
    slots[slot + 1] = value;
  }

  @Override
  public void put(long key, long value) {
    int set = (int) key & SET_MASK;
    int m = set * META;
    int way = victim(set, m);
    int slot = set * STRIDE + 2 * way;
    slots[slot] = key;
    slots[slot + 1] = value;
    CHARS.set(meta, m + 2 * way, (char) (key >>> KEY_SHIFT));
  }

  /** The way to replace, already counted as the one used last. */
  private static int victim(int set, int m) {
    if (LRU) {
      long order = recency(m);
      int way = (int) (order >>> OLDEST) & WAY_MASK;
      recency(m, order << 4 & ORDER_MASK | way);
      return way;
    }
    int way = freeWay(set);
    if (way < 0) {
      way = TREE ? TreePlru.victim(recency(m), WAYS) : anyWay();
    }
    use(m, way);
    return way;
  }

  private static int freeWay(int set) {
    for (int way = 0; way < WAYS; way++) {
      if (slots[set * STRIDE + 2 * way] == 0) {
        return way;
      }
    }
    return NONE;
  }

  private static int anyWay() {
    random = TreePlru.nextRandom(random);
    return (int) ((random >>> 33) % WAYS);
  }

  @Override
  public void remove(int slot) {
    slots[slot] = 0;
    slots[slot + 1] = 0;
    if (LRU) {
      int m = slot / STRIDE * META;
      recency(m, moveToBack(recency(m), (slot & STRIDE - 1) >>> 1)); // LRU takes free ways first
    }
  }

  @Override
  public void removeIf(long mask, long match, long some) {
    for (int slot = 0; slot < slots.length; slot += 2) {
      long key = slots[slot];
      if (key != 0 && (key & mask) == match && (some == 0 || (key & some) != 0)) {
        remove(slot);
      }
    }
  }

  @Override
  public int slots() {
    return slots.length;
  }

  @Override
  public long key(int slot) {
    return slots[slot];
  }

  /** Moves a way to the lowest nibble; the nibbles below its old place move up by one. */
  private static long moveToFront(long order, long way) {
    long low = (1L << placeOf(order, way)) - 1;
    return order & ~(low << 4 | 15) | (order & low) << 4 | way;
  }

  /** Moves a way to the highest nibble; the nibbles above its old place move down by one. */
  private static long moveToBack(long order, long way) {
    int place = placeOf(order, way);
    long low = order & (1L << place) - 1;
    return low | order >>> place >>> 4 << place | way << OLDEST;
  }

  private static int placeOf(long order, long way) {
    long diff = order ^ way * NIBBLES;
    long zero = diff - NIBBLES & ~diff & NIBBLE_TOPS;
    return Long.numberOfTrailingZeros(zero) - 3;
  }

  private static int powerOfTwo(int n) {
    return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
  }
}
