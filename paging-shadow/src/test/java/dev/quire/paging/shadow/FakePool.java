// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.PhysicalMemory;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;

/** A pool of frames in a row. */
final class FakePool implements PagingPool {
  private final PhysicalMemory memory;
  private final Deque<Long> free = new ArrayDeque<>();
  private final Set<Long> used = new HashSet<>();
  private final long total;

  FakePool(PhysicalMemory memory, long first, int count) {
    this.memory = memory;
    this.total = count;
    for (int i = 0; i < count; i++) {
      free.add(first + i);
    }
  }

  @Override
  public long allocate() {
    Long mfn = free.poll();
    if (mfn == null) {
      return NONE;
    }
    used.add(mfn);
    Arrays.fill(memory.frame(Addresses.mfn(mfn)), 0);
    return mfn;
  }

  @Override
  public void free(long mfn) {
    if (!used.remove(mfn)) {
      throw new AssertionError("frame " + mfn + " is not in use");
    }
    free.addFirst(mfn); // at once another's: who frees too early is found out
  }

  @Override
  public long used() {
    return used.size();
  }

  @Override
  public long total() {
    return total;
  }

  @Override
  public Errno resize(long frames) {
    return Errno.EBUSY;
  }
}
