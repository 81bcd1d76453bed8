// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;
import java.util.List;

/** Memory whose frames are made at the first write and found through a {@link FrameDirectory}. */
public final class SparseMemory implements PhysicalMemory {
  private static final long[] ZEROS = new long[FRAME_LONGS];
  private static final long[] ONES = new long[FRAME_LONGS];

  static {
    Arrays.fill(ONES, -1L);
  }

  private final RamRanges ram;
  private final FrameDirectory directory;

  /**
   * Memory without a frame in use.
   *
   * @param ranges what is RAM; everything else is device memory
   * @throws IllegalArgumentException if ranges overlap
   */
  public SparseMemory(List<Ram> ranges) {
    ram = new RamRanges(ranges);
    directory = FrameDirectory.upTo(ram.end());
  }

  @Override
  public long[] frameToRead(@Mfn long mfn) {
    long[] home = directory.home(mfn);
    return home != null ? home : ram.contains(mfn) ? ZEROS : ONES;
  }

  @Override
  public long[] frame(@Mfn long mfn) {
    long[] home = directory.home(mfn);
    return home != null ? home : create(mfn);
  }

  @Override
  public boolean isHome(@Mfn long mfn) {
    return directory.home(mfn) != null;
  }

  private long[] create(@Mfn long mfn) {
    if (!ram.contains(mfn)) {
      throw new IllegalArgumentException(String.format("frame 0x%x is not RAM", mfn));
    }
    return directory.create(mfn);
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
    return directory.used().get();
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
    long[] home = directory.home(mfn);
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
