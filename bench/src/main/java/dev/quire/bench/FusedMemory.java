// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

/** The memory of {@link FusedKernel}: 16 GiB, frames made at the first write. */
final class FusedMemory implements StreamTables.Frames {
  private static final long FRAMES = 1L << 22;
  private static final int FRAME_LONGS = 512;
  private static final int LEAF_BITS = 6;
  private static final int LEAF_MASK = (1 << LEAF_BITS) - 1;
  private static final long[] ZEROS = new long[FRAME_LONGS];
  private static final long[] ONES = new long[FRAME_LONGS];

  static {
    java.util.Arrays.fill(ONES, -1);
  }

  private final long[][][] leaves = new long[(int) (FRAMES >>> LEAF_BITS)][][];

  long[] frameToRead(long frame) {
    if (frame >= FRAMES) {
      return ONES;
    }
    long[][] leaf = leaves[(int) (frame >>> LEAF_BITS)];
    long[] home = leaf == null ? null : leaf[(int) frame & LEAF_MASK];
    return home == null ? ZEROS : home;
  }

  @Override
  public long[] frame(long frame) {
    int index = (int) (frame >>> LEAF_BITS);
    if (leaves[index] == null) {
      leaves[index] = new long[LEAF_MASK + 1][];
    }
    long[][] leaf = leaves[index];
    if (leaf[(int) frame & LEAF_MASK] == null) {
      leaf[(int) frame & LEAF_MASK] = new long[FRAME_LONGS];
    }
    return leaf[(int) frame & LEAF_MASK];
  }
}
