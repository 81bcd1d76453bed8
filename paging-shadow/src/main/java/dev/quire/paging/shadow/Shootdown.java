// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.Machine;

/**
 * Makes the CPUs forget what they hold of the domain ({@code flush_tlb_mask} with the domain's
 * dirty CPUs). A CPU that runs no vCPU forgets when it is next entered, which is soon enough.
 */
final class Shootdown {
  private final Machine machine;
  private final ShadowCounts counts;
  private final long[] tickets;
  private int flushes;

  Shootdown(Machine machine, ShadowCounts counts) {
    this.machine = machine;
    this.counts = counts;
    this.tickets = new long[machine.cpus()];
  }

  /** How often it was done: the clock by which stale translations are told from forgotten ones. */
  int flushes() {
    return flushes;
  }

  /** Afterwards no CPU uses a translation that was made before. */
  void flush() {
    counts.add(ShadowEvent.SHOOTDOWNS);
    flushes++;
    for (int i = 0; i < tickets.length; i++) {
      tickets[i] = machine.cpu(i).requestFlush();
    }
    for (int i = 0; i < tickets.length; i++) {
      Cpu cpu = machine.cpu(i);
      while (!cpu.hasFlushed(tickets[i])) {
        Thread.onSpinWait();
      }
    }
  }
}
