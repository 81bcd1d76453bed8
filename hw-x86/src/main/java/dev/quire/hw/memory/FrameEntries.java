// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Single-copy atomic accesses to the quadwords of a frame and to their halves. Whoever shares a
 * frame with another CPU goes through here: the memory's own loads and stores, and the walkers when
 * they set A and D. (Walkers read entries plainly: what they write depends on the compare-and-set.)
 *
 * <p>Loads acquire and stores release: x86 orders loads among themselves and stores among
 * themselves, and lets a load pass an older store, which is exactly that.
 */
public final class FrameEntries {
  private static final VarHandle QUADWORD = MethodHandles.arrayElementVarHandle(long[].class);

  private FrameEntries() {}

  /**
   * The quadword at an index.
   *
   * @param index 0 to 511
   */
  public static long load(long[] frame, int index) {
    return (long) QUADWORD.getAcquire(frame, index);
  }

  /**
   * The doubleword at an index, zero-extended.
   *
   * @param index 0 to 1023
   */
  public static long loadHalf(long[] frame, int index) {
    return load(frame, index >>> 1) >>> halfShift(index) & 0xffffffffL;
  }

  /** Writes a whole quadword. */
  static void store(long[] frame, int index, long value) {
    QUADWORD.setRelease(frame, index, value);
  }

  /**
   * Replaces a quadword if it still is what the caller believes.
   *
   * @param index 0 to 511
   * @return whether it was replaced
   */
  public static boolean compareAndSet(long[] frame, int index, long expected, long replacement) {
    return QUADWORD.compareAndSet(frame, index, expected, replacement);
  }

  /**
   * Replaces a doubleword if it still is what the caller believes; a change of its neighbour in the
   * quadword is no reason to fail.
   *
   * @param index 0 to 1023
   * @param expected in the lower half of the word
   * @param replacement in the lower half of the word
   * @return whether it was replaced
   */
  public static boolean compareAndSetHalf(
      long[] frame, int index, long expected, long replacement) {
    long mask = 0xffffffffL << halfShift(index);
    long wanted = expected << halfShift(index) & mask;
    long before =
        exchange(frame, index >>> 1, mask, wanted, replacement << halfShift(index) & mask);
    return before == wanted;
  }

  /** Writes the bits of a mask and leaves the others as whoever writes them wants them. */
  static void merge(long[] frame, int index, long mask, long value) {
    long before;
    do {
      before = load(frame, index);
    } while (!compareAndSet(frame, index, before, before & ~mask | value));
  }

  /**
   * Replaces the bits of a mask if they are as expected.
   *
   * @return the bits of the mask before
   */
  static long exchange(long[] frame, int index, long mask, long expected, long replacement) {
    while (true) {
      long before = load(frame, index);
      if ((before & mask) != expected
          || compareAndSet(frame, index, before, before & ~mask | replacement)) {
        return before & mask;
      }
    }
  }

  private static int halfShift(int index) {
    return (index & 1) << 5;
  }
}
