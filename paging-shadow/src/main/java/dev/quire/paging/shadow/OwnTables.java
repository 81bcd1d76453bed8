// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;

/** Frames that shadow paging of a domain needs besides shadows, as long as it lasts. */
final class OwnTables {
  /** An entry of the table for guests without paging: 4 MiB, all rights. */
  private static final long IDENTITY_4M =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D | PageEntry.PS;

  private final @Mfn long empty;
  private final @Mfn long unpaged;
  private final long[] snapshots;

  /**
   * With how many frames of the pool every guest makes progress: what there is here, roots of each
   * vCPU while one of them changes its own, and what one fault takes.
   */
  static int minimum(int vcpus, ShadowOptions options) {
    int roots = ShadowKind.MOST_PAGES * (vcpus + 1);
    return 2 + snapshots(vcpus, options) + roots + room(options);
  }

  /**
   * One write can take two faults that need each other's shadows, if the guest itself is to do it.
   */
  private static int room(ShadowOptions options) {
    return options.isClassic() ? 2 * PageFaults.room(options) : PageFaults.room(options);
  }

  /** How many snapshots there are. */
  static int snapshots(int vcpus, ShadowOptions options) {
    return options.sync() == ShadowOptions.Sync.LAST_LEVEL ? OutOfSyncTables.PER_VCPU * vcpus : 0;
  }

  /** Takes reserved frames. */
  OwnTables(PhysicalMemory memory, TableMemory tables, int snapshots) {
    empty = tables.take();
    unpaged = tables.take();
    for (int i = 0; i < 1024; i++) {
      memory.store(Addresses.mfnToMaddr(unpaged, 4L * i), 4, (long) i << 22 | IDENTITY_4M);
    }
    this.snapshots = new long[snapshots];
    for (int i = 0; i < snapshots; i++) {
      this.snapshots[i] = tables.take();
    }
  }

  /** A table without an entry, for roots that cannot be. */
  @Mfn
  long empty() {
    return empty;
  }

  /** The table that maps every 32-bit address to itself, for guests without paging. */
  @Mfn
  long unpaged() {
    return unpaged;
  }

  /** Where the snapshots of tables go that are out of sync. */
  long[] snapshots() {
    return snapshots;
  }

  void condemn(TableMemory tables) {
    tables.condemn(empty);
    tables.condemn(unpaged);
    for (long snapshot : snapshots) {
      tables.condemn(Addresses.mfn(snapshot));
    }
  }
}
