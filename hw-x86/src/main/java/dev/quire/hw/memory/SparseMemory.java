// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Memory whose frames are made at the first write and found through a radix directory:
 *
 * <pre>
 *   frame number   | root index | middle index | 5..0 leaf index |
 *                       |             |               |
 *                     root  ------> middle  ------>  leaf  ------>  frame, 512 quadwords
 * </pre>
 *
 * Nothing ever goes away, so a reader needs no lock: it follows references until one is missing. A
 * creator puts what is missing in place by compare-and-set and takes what another put there first.
 * Leaves are small, so that a lone frame brings little besides itself. Memory of up to {@link
 * #SMALL_BITS} bits of frame numbers has one middle node and no root: the walker saves a load.
 */
public final class SparseMemory implements PhysicalMemory {
  private static final VarHandle FRAMES = MethodHandles.arrayElementVarHandle(long[][].class);
  private static final VarHandle LEAVES = MethodHandles.arrayElementVarHandle(long[][][].class);
  private static final VarHandle NODES = MethodHandles.arrayElementVarHandle(long[][][][].class);

  private static final int LEAF_BITS = 6;
  private static final int LEAF_MASK = (1 << LEAF_BITS) - 1;

  /** 16 GiB: the middle node takes a quarter of a megabyte. */
  private static final int SMALL_BITS = 22;

  /** A root of 2^20 references is as much as an unused machine may cost. */
  private static final int ROOT_BITS = 20;

  private static final long[] ZEROS = new long[FRAME_LONGS];
  private static final long[] ONES = new long[FRAME_LONGS];

  static {
    Arrays.fill(ONES, -1L);
  }

  private final RamRanges ram;
  private final AtomicLong inUse = new AtomicLong();

  /** The only middle node of a small memory, otherwise null. */
  private final long @Nullable [][][] only;

  private final long[][][][] root;
  private final int rootShift;
  private final int middleMask;

  /**
   * Memory without a frame in use.
   *
   * @param ranges what is RAM; everything else is device memory
   * @throws IllegalArgumentException if ranges overlap
   */
  public SparseMemory(List<Ram> ranges) {
    ram = new RamRanges(ranges);
    int bits = Math.max(LEAF_BITS, 64 - Long.numberOfLeadingZeros(Math.max(0, ram.end() - 1)));
    int upper = bits - LEAF_BITS;
    boolean small = bits <= SMALL_BITS;
    int middleBits = small ? upper : Math.max(upper / 2, upper - ROOT_BITS);
    only = small ? new long[1 << middleBits][][] : null;
    root = new long[small ? 0 : 1 << upper - middleBits][][][];
    middleMask = (1 << middleBits) - 1;
    rootShift = LEAF_BITS + middleBits;
  }

  @Override
  public long[] frameToRead(@Mfn long mfn) {
    long[] home = home(mfn);
    return home != null ? home : ram.contains(mfn) ? ZEROS : ONES;
  }

  @Override
  public long[] frame(@Mfn long mfn) {
    long[] home = home(mfn);
    return home != null ? home : create(mfn);
  }

  @Override
  public boolean isHome(@Mfn long mfn) {
    return home(mfn) != null;
  }

  private long @Nullable [] home(@Mfn long mfn) {
    long[][][] middle = only;
    if (middle == null) {
      long top = mfn >>> rootShift;
      middle = top < root.length ? (long[][][]) NODES.getAcquire(root, (int) top) : null;
      if (middle == null) {
        return null;
      }
    } else if (mfn >>> rootShift != 0) {
      return null;
    }
    long[][] leaf = (long[][]) LEAVES.getAcquire(middle, (int) (mfn >>> LEAF_BITS) & middleMask);
    return leaf == null ? null : (long[]) FRAMES.getAcquire(leaf, (int) mfn & LEAF_MASK);
  }

  private long[] create(@Mfn long mfn) {
    if (!ram.contains(mfn)) {
      throw new IllegalArgumentException(String.format("frame 0x%x is not RAM", mfn));
    }
    long[][][] middle = only != null ? only : middle((int) (mfn >>> rootShift));
    long[][] leaf = leaf(middle, (int) (mfn >>> LEAF_BITS) & middleMask);
    int index = (int) mfn & LEAF_MASK;
    long[] mine = new long[FRAME_LONGS];
    long[] first = (long[]) FRAMES.compareAndExchange(leaf, index, null, mine);
    if (first != null) {
      return first;
    }
    inUse.incrementAndGet();
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

  @Override
  public List<Ram> ram() {
    return ram.ranges();
  }

  @Override
  public boolean isRam(@Maddr long address) {
    return ram.contains(Addresses.maddrToMfn(address));
  }

  @Override
  public long framesInUse() {
    return inUse.get();
  }

  @Override
  public long load(@Maddr long address, int bytes) {
    int offset = offset(address, bytes);
    long[] frame = frameToRead(Addresses.maddrToMfn(address));
    int index = offset >>> 3;
    int shift = (offset & 7) << 3;
    long value = FrameEntries.load(frame, index) >>> shift;
    if (straddles(offset, bytes)) {
      value |= FrameEntries.load(frame, index + 1) << -shift;
    }
    return value & mask(bytes);
  }

  @Override
  public void store(@Maddr long address, int bytes, long value) {
    int offset = offset(address, bytes);
    @Mfn long mfn = Addresses.maddrToMfn(address);
    long[] home = home(mfn);
    if (home == null) {
      if (!ram.contains(mfn)) {
        return;
      }
      home = create(mfn);
    }
    storeInto(home, offset, bytes, value);
  }

  private static void storeInto(long[] frame, int offset, int bytes, long value) {
    int index = offset >>> 3;
    int shift = (offset & 7) << 3;
    if (bytes == 8 && shift == 0) {
      FrameEntries.store(frame, index, value);
      return;
    }
    long mask = mask(bytes);
    FrameEntries.merge(frame, index, mask << shift, (value & mask) << shift);
    if (straddles(offset, bytes)) {
      FrameEntries.merge(frame, index + 1, mask >>> -shift, (value & mask) >>> -shift);
    }
  }

  @Override
  public long compareExchange(@Maddr long address, int bytes, long expected, long replacement) {
    int offset = offset(address, bytes);
    @Mfn long mfn = Addresses.maddrToMfn(address);
    if (!isHome(mfn) && !ram.contains(mfn)) {
      return mask(bytes);
    }
    if (straddles(offset, bytes)) {
      long before = load(address, bytes);
      if (before == (expected & mask(bytes))) {
        storeInto(frame(mfn), offset, bytes, replacement);
      }
      return before;
    }
    int shift = (offset & 7) << 3;
    long mask = mask(bytes) << shift;
    long wanted = expected << shift & mask;
    long put = replacement << shift & mask;
    return FrameEntries.exchange(frame(mfn), offset >>> 3, mask, wanted, put) >>> shift;
  }

  private static int offset(@Maddr long address, int bytes) {
    int offset = (int) Addresses.pageOffset(address);
    if (offset + bytes > Addresses.PAGE_SIZE) {
      throw new IllegalArgumentException(
          String.format("%d bytes at 0x%x do not lie in one frame", bytes, address));
    }
    return offset;
  }

  private static boolean straddles(int offset, int bytes) {
    return (offset & 7) + bytes > 8;
  }

  private static long mask(int bytes) {
    return -1L >>> 64 - (bytes << 3);
  }
}
