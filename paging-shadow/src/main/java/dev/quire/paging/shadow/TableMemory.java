// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/**
 * Frames for shadows, out of the domain's pool. Frames are reserved first, while one can still back
 * out, and used afterwards, when nothing may fail ({@code shadow_prealloc}). What is no longer used
 * is condemned until no TLB and no paging-structure cache can hold anything of it; then the pool
 * has it back.
 */
final class TableMemory {
  private final PagingPool pool;
  private final Shootdown shootdown;
  private final PhysicalMemory memory;
  private final int minimum;
  private int inUse;
  private int peak;
  private long[] reserved = new long[16];
  private int reservedCount;
  private long[] condemned = new long[64];
  private int condemnedCount;

  /**
   * Memory without frames.
   *
   * @param minimum so many frames are not given back: others take from the pool too, and without
   *     these the guest could not go on
   */
  TableMemory(PagingPool pool, PhysicalMemory memory, Shootdown shootdown, int minimum) {
    this.pool = pool;
    this.memory = memory;
    this.minimum = minimum;
    this.shootdown = shootdown;
  }

  /** Tries to have {@code count} frames in reserve; flushes if that is what it takes. */
  boolean reserve(int count) {
    while (reservedCount < count) {
      @Mfn long mfn = pool.allocate();
      if (mfn == PagingPool.NONE) {
        if (condemnedCount == 0) {
          return false;
        }
        shootdown.flush();
        release();
        continue;
      }
      keep(mfn);
    }
    return true;
  }

  private void keep(@Mfn long mfn) {
    if (reservedCount == reserved.length) {
      reserved = Arrays.copyOf(reserved, 2 * reserved.length);
    }
    reserved[reservedCount] = mfn;
    reservedCount++;
  }

  /** Whether {@link #reserve} would succeed. */
  boolean couldReserve(int count) {
    return count <= reservedCount + condemnedCount + pool.total() - pool.used();
  }

  /** A frame of the reserve, zeroed. */
  @Mfn
  long take() {
    if (reservedCount == 0) {
      throw new IllegalStateException("a shadow is made of frames that nobody reserved");
    }
    inUse++;
    peak = Math.max(peak, inUse);
    return fromReserve();
  }

  /** Whether so many frames could be had besides those reserved, with plenty left to the pool. */
  boolean canSpare(int count) {
    return pool.total() - pool.used() >= minimum + count;
  }

  /** A frame besides those reserved, zeroed, if it {@linkplain #canSpare can be spared}. */
  @Mfn
  long spare() {
    @Mfn long mfn = pool.allocate();
    if (mfn == PagingPool.NONE) {
      throw new IllegalStateException("a frame is spared that is not there");
    }
    inUse++;
    peak = Math.max(peak, inUse);
    return mfn;
  }

  /** A frame that hardware never knew of is not used any more. */
  void giveBack(@Mfn long mfn) {
    inUse--;
    returned(mfn);
  }

  private void returned(@Mfn long mfn) {
    if (inUse + reservedCount < minimum) {
      Arrays.fill(memory.frame(mfn), 0);
      keep(mfn);
    } else {
      pool.free(mfn);
    }
  }

  /** How many frames are in use. */
  int inUse() {
    return inUse;
  }

  /** How many were in use at most. */
  int peak() {
    return peak;
  }

  private @Mfn long fromReserve() {
    reservedCount--;
    return Addresses.mfn(reserved[reservedCount]);
  }

  /** The frame is no table any more, but hardware may not know yet. */
  void condemn(@Mfn long mfn) {
    if (condemnedCount == condemned.length) {
      condemned = Arrays.copyOf(condemned, 2 * condemned.length);
    }
    inUse--;
    condemned[condemnedCount] = mfn;
    condemnedCount++;
  }

  /** Everything was flushed: what was condemned goes back, but for what is always kept. */
  void release() {
    for (int i = 0; i < condemnedCount; i++) {
      returned(Addresses.mfn(condemned[i]));
    }
    condemnedCount = 0;
  }

  /** Gives back what was reserved and is not used. */
  void releaseReserve() {
    while (reservedCount > 0) {
      pool.free(fromReserve());
    }
  }

  /** Frames taken from the pool that are in no shadow now. */
  int idle() {
    return reservedCount + condemnedCount;
  }
}
