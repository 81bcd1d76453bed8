// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Says which CPUs may still hold a translation that was made before a point in time: Xen's {@code
 * tlbflush_clock}. It ticks before each flush; a CPU notes the time after it has flushed; a frame
 * notes the time at which nobody relied on its type any more. 32 bits, and 0 means that it wrapped:
 * then everybody is suspect until all have flushed.
 */
public final class FlushClock {
  private final AtomicInteger clock = new AtomicInteger(1);
  private final AtomicIntegerArray flushed;

  /** The clock of so many CPUs. */
  public FlushClock(int cpus) {
    flushed = new AtomicIntegerArray(cpus);
  }

  /** The time, for a stamp. */
  public int now() {
    return clock.get();
  }

  /**
   * The time that a flush begins at. Once the clock has wrapped it stands at 0 until {@link
   * #restart}.
   */
  public int tick() {
    return clock.updateAndGet(time -> time == 0 ? 0 : time + 1);
  }

  /** A CPU has flushed everything, in the round that began at a time. */
  public void flushed(int cpu, int time) {
    flushed.set(cpu, time);
  }

  /** Whether a CPU may hold a translation made at or before a stamp (Xen's {@code NEED_FLUSH}). */
  public boolean mayHold(int cpu, int stamp) {
    int time = flushed.get(cpu);
    int now = clock.get();
    return now == 0
        || Integer.compareUnsigned(time, stamp) <= 0 && Integer.compareUnsigned(stamp, now) <= 0;
  }

  /** All CPUs have flushed after the clock wrapped: it goes on. */
  public void restart() {
    for (int cpu = 0; cpu < flushed.length(); cpu++) {
      flushed.set(cpu, 1);
    }
    clock.set(1);
  }

  /** Sets the time, for tests of the wrap. */
  public void set(int time) {
    clock.set(time);
  }
}
