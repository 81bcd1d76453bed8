// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.Locale;

/** What a piece of work took of time and heap, garbage included. */
final class Footprint {
  private static final double MIB = 1 << 20;

  private final long cpu;
  private final long wall;

  private Footprint(long cpu, long wall) {
    this.cpu = cpu;
    this.wall = wall;
  }

  /** From now on. */
  static Footprint begin() throws IOException {
    return new Footprint(ProcessTime.nanos(), System.nanoTime());
  }

  /** Prints the time since the beginning and the peak of the heap since the process started. */
  void print() throws IOException {
    double cpuSeconds = (ProcessTime.nanos() - cpu) / 1e9;
    double wallSeconds = (System.nanoTime() - wall) / 1e9;
    long peak = 0;
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      peak += pool.getType() == MemoryType.HEAP ? pool.getPeakUsage().getUsed() : 0;
    }
    System.out.printf(
        Locale.ROOT,
        "  %.1f s CPU, %.1f s by the clock; peak heap %,.0f MiB of %,.0f, after collection %,.0f%n",
        cpuSeconds,
        wallSeconds,
        peak / MIB,
        Runtime.getRuntime().maxMemory() / MIB,
        live() / MIB);
  }

  private static long live() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }
}
