// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;

/** What a recording holds, counted as it is read. */
final class ReplayCounts {
  private final long[] records = new long[Tag.ACCESS + 1];
  private long cpuStores;
  private long walkerStores;
  private long deviceStores;
  private long strayStores;

  void count(int tag) {
    if (tag != Tag.ACCESS) {
      records[tag]++;
    }
  }

  void accesses(int count) {
    records[Tag.ACCESS] += count;
  }

  void stores(TraceReader reader) {
    if (reader.storedByWalker()) {
      walkerStores += reader.storeCount();
    } else if (reader.storedByDevice()) {
      deviceStores += reader.storeCount();
    } else {
      cpuStores += reader.storeCount();
    }
  }

  void strayStores(int count) {
    strayStores += count;
  }

  /** Records with a tag. */
  long of(int tag) {
    return records[tag];
  }

  /** Single page-table stores by instructions. */
  long cpuStores() {
    return cpuStores;
  }

  /** Single page-table stores by the recorder's walker. */
  long walkerStores() {
    return walkerStores;
  }

  /** Single page-table stores by devices. */
  long deviceStores() {
    return deviceStores;
  }

  /** Stores of a window that belong to no access before them. */
  long strayStores() {
    return strayStores;
  }
}
