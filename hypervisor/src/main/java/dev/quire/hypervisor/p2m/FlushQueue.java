// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Mfn;

/**
 * Flush first, free afterwards (XSA-480): a CPU's paging-structure caches may still lead into a
 * table that is out of the tree. While flushes are deferred, retired tables wait.
 */
final class FlushQueue {
  private final Flusher flusher;
  private @Mfn long[] retired = new long[8];
  private int count;
  private int deferred;
  private boolean due;

  FlushQueue(Flusher flusher) {
    this.flusher = flusher;
  }

  /** A table is out of the tree. */
  void retire(@Mfn long table) {
    if (count == retired.length) {
      @Mfn long[] longer = new long[2 * count];
      System.arraycopy(retired, 0, longer, 0, count);
      retired = longer;
    }
    retired[count++] = table;
    due = true;
  }

  /** Something changed that a CPU may have cached. */
  void request() {
    due = true;
  }

  void defer() {
    deferred++;
  }

  void resume() {
    if (deferred == 0) {
      throw new IllegalStateException("no flush was deferred");
    }
    deferred--;
  }

  /** The whole tree goes: flushes now, whatever was deferred. */
  void abandon(P2mTables tables) {
    deferred = 0;
    due = true;
    settle(tables);
  }

  /** Does what is due unless it is deferred. */
  void settle(P2mTables tables) {
    if (deferred > 0 || !due) {
      return;
    }
    flusher.flush();
    due = false;
    for (int i = 0; i < count; i++) {
      tables.free(retired[i]);
    }
    count = 0;
  }

  /** How many tables wait for a flush. */
  int waiting() {
    return count;
  }
}
