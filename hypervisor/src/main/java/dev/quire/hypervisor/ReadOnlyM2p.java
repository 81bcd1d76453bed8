// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The machine-to-physical table as PV guests see it: an array of quadwords by machine frame in
 * machine memory, behind tables of the hypervisor's that let nobody write (Xen's {@code
 * RO_MPT_VIRT_START}). Pages of it exist once a frame that they speak of is a guest's. What a guest
 * has written here is for guests; the hypervisor relies on none of it (XSA-251).
 */
final class ReadOnlyM2p {
  private static final long READ_ONLY = PageEntry.P | PageEntry.US | PageEntry.A | PageEntry.NX;
  private static final long INVALID = -1;
  private static final int LEVELS = 3;
  private static final int INDEX_BITS = 9;

  private final PhysicalMemory memory;
  private final FrameAllocator allocator;
  private long @Nullable [] root;
  private @Mfn long rootFrame;

  ReadOnlyM2p(PhysicalMemory memory, FrameAllocator allocator) {
    this.memory = memory;
    this.allocator = allocator;
    rootFrame = Addresses.mfn(FrameMapper.NONE);
  }

  /** The entry of a level-4 table behind which the array begins. */
  synchronized long entry() {
    if (root == null) {
      rootFrame = fresh(0);
      root = memory.frame(rootFrame);
    }
    return Addresses.mfnToMaddr(rootFrame) | READ_ONLY;
  }

  synchronized long get(@Mfn long mfn) {
    long[] page = page(mfn, false);
    return page == null ? INVALID : page[(int) mfn & PhysicalMemory.FRAME_LONGS - 1];
  }

  /**
   * Makes room for the word of a frame that becomes a guest's.
   *
   * @throws IllegalArgumentException if there is no memory for the page of the array
   */
  synchronized void cover(@Mfn long mfn) {
    page(mfn, true);
  }

  /** Sets the word of a frame that there is room for. */
  synchronized void set(@Mfn long mfn, long value) {
    long[] page = page(mfn, false);
    if (page != null) {
      page[(int) mfn & PhysicalMemory.FRAME_LONGS - 1] = value;
    }
  }

  private long @Nullable [] page(@Mfn long mfn, boolean make) {
    if (root == null && !make) {
      return null;
    }
    entry();
    long[] table = memory.frame(rootFrame);
    for (int level = LEVELS; level > 0; level--) {
      int index = (int) (mfn >>> INDEX_BITS * level) & PhysicalMemory.FRAME_LONGS - 1;
      if ((table[index] & PageEntry.P) == 0) {
        if (!make) {
          return null;
        }
        long content = level == 1 ? INVALID : 0;
        table[index] = Addresses.mfnToMaddr(fresh(content)) | READ_ONLY;
      }
      table = memory.frame(Addresses.maddrToMfn(Addresses.maddr(table[index] & PageEntry.FRAME)));
    }
    return table;
  }

  private @Mfn long fresh(long content) {
    @Mfn long mfn = allocator.allocate(1);
    if (mfn == FrameMapper.NONE) {
      throw new IllegalArgumentException("no memory for the machine-to-physical table");
    }
    Arrays.fill(memory.frame(mfn), content);
    return mfn;
  }
}
