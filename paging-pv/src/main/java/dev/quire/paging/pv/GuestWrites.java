// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.hw.PhysicalMemory;
import org.jspecify.annotations.Nullable;

/**
 * What the interface writes into a guest's frames on its behalf. Whoever derives anything from them
 * is told of each write before what the old content stood for is given back: the dirty log, and a
 * backend that runs the guest on other tables than its own ({@code paging_write_guest_entry},
 * {@code paging_mark_dirty}).
 */
final class GuestWrites {
  private final PhysicalMemory memory;
  private final @Nullable DomainHost host;

  /**
   * Writes to machine memory.
   *
   * @param host null where there are frames and no domain that runs
   */
  GuestWrites(PhysicalMemory memory, @Nullable DomainHost host) {
    this.memory = memory;
    this.host = host;
  }

  /** Stores up to 8 bytes within a frame. */
  void store(@Maddr long address, int bytes, long value) {
    memory.store(address, bytes, value);
    tell(address, bytes);
  }

  /** Replaces a quadword that is {@code expected}; answers what it was. */
  long compareExchange(@Maddr long address, long expected, long replacement) {
    long found = memory.compareExchange(address, Long.BYTES, expected, replacement);
    if (found == expected) {
      tell(address, Long.BYTES);
    }
    return found;
  }

  /** Gives a frame another content. */
  void fill(@Mfn long mfn, long[] content) {
    System.arraycopy(content, 0, memory.frame(mfn), 0, content.length);
    tell(Addresses.mfnToMaddr(mfn), (int) Addresses.PAGE_SIZE);
  }

  /** A frame is about to be no table any more. */
  void tableEnding(@Mfn long mfn) {
    if (host != null) {
      host.tableEnding(mfn);
    }
  }

  private void tell(@Maddr long address, int bytes) {
    if (host != null) {
      host.written(address, bytes);
    }
  }
}
