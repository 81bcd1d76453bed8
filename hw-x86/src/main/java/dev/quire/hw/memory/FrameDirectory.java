// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Finds the frames that have a home:
 *
 * <pre>
 *   frame number   | root index | middle index | 5..0 leaf index |
 *                       |             |               |
 *                     root  ------> middle  ------>  leaf  ------>  frame, 512 quadwords
 * </pre>
 *
 * Nothing that a guest uses ever goes away, so a reader needs no lock: it follows references until
 * one is missing. A creator puts what is missing in place by compare-and-set and takes what another
 * put there first. Leaves are small, so that a lone frame brings little besides itself. Memory of
 * up to {@link #SMALL_BITS} bits of frame numbers has one middle node and no root: the walker saves
 * a load.
 *
 * <p>Readers read plainly: arrays are made of zeros and nulls, which every thread sees, and a
 * reader that does not see a frame yet sees memory as it was before the first store to it. That is
 * what a load may see that is not ordered after the store; loads that are ordered are so by a
 * volatile access in between. A record, since the compiler trusts the fields of records that are
 * constants.
 *
 * @param only the only middle node of a small memory, otherwise null
 * @param root the root of a large memory, otherwise empty
 * @param rootShift bits of a frame number below the root index
 * @param middleMask the middle index, after a shift
 * @param used how many frames have a home
 */
@SuppressWarnings("ArrayRecordComponent") // shared on purpose; never compared
public record FrameDirectory(
    long @Nullable [][][] only, long[][][][] root, int rootShift, int middleMask, AtomicLong used) {
  private static final VarHandle FRAMES = MethodHandles.arrayElementVarHandle(long[][].class);
  private static final VarHandle LEAVES = MethodHandles.arrayElementVarHandle(long[][][].class);
  private static final VarHandle NODES = MethodHandles.arrayElementVarHandle(long[][][][].class);

  private static final int LEAF_BITS = 6;
  private static final int LEAF_MASK = (1 << LEAF_BITS) - 1;

  /** 16 GiB: the middle node takes a quarter of a megabyte. */
  private static final int SMALL_BITS = 22;

  /** A root of 2^20 references is as much as an unused machine may cost. */
  private static final int ROOT_BITS = 20;

  /**
   * A directory without frames.
   *
   * @param end one past the highest frame number
   */
  static FrameDirectory upTo(long end) {
    int bits = Math.max(LEAF_BITS, 64 - Long.numberOfLeadingZeros(Math.max(0, end - 1)));
    int upper = bits - LEAF_BITS;
    boolean small = bits <= SMALL_BITS;
    int middleBits = small ? upper : Math.max(upper / 2, upper - ROOT_BITS);
    return new FrameDirectory(
        small ? new long[1 << middleBits][][] : null,
        new long[small ? 0 : 1 << upper - middleBits][][][],
        LEAF_BITS + middleBits,
        (1 << middleBits) - 1,
        new AtomicLong());
  }

  /** The home of a frame, or null if it has none yet. */
  public long @Nullable [] home(@Mfn long mfn) {
    long[][][] middle = only;
    if (middle == null) {
      long top = mfn >>> rootShift;
      middle = top < root.length ? root[(int) top] : null;
      if (middle == null) {
        return null;
      }
    } else if (mfn >>> rootShift != 0) {
      return null;
    }
    long[][] leaf = middle[(int) (mfn >>> LEAF_BITS) & middleMask];
    return leaf == null ? null : leaf[(int) mfn & LEAF_MASK];
  }

  /** The home of a frame, made if it has none; the caller knows that it is RAM. */
  long[] create(@Mfn long mfn) {
    long[][][] middle = only != null ? only : middle((int) (mfn >>> rootShift));
    long[][] leaf = leaf(middle, (int) (mfn >>> LEAF_BITS) & middleMask);
    int index = (int) mfn & LEAF_MASK;
    long[] mine = new long[PhysicalMemory.FRAME_LONGS];
    long[] first = (long[]) FRAMES.compareAndExchange(leaf, index, null, mine);
    if (first != null) {
      return first;
    }
    used.incrementAndGet();
    return mine;
  }

  private long[][][] middle(int index) {
    long[][][] there = (long[][][]) NODES.getAcquire(root, index);
    if (there != null) {
      return there;
    }
    long[][][] mine = new long[middleMask + 1][][];
    long[][][] first = (long[][][]) NODES.compareAndExchange(root, index, null, mine);
    return first != null ? first : mine;
  }

  private static long[][] leaf(long[][][] middle, int index) {
    long[][] there = (long[][]) LEAVES.getAcquire(middle, index);
    if (there != null) {
      return there;
    }
    long[][] mine = new long[LEAF_MASK + 1][];
    long[][] first = (long[][]) LEAVES.compareAndExchange(middle, index, null, mine);
    return first != null ? first : mine;
  }
}
