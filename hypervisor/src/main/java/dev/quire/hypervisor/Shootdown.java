// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Gva;
import dev.quire.hypervisor.frames.FlushClock;

/**
 * Flushes of whole TLBs across CPUs, on the clock by which later ones can be saved (Xen's {@code
 * flush_area_mask}). Each is complete when the call returns: a CPU that another thread runs is
 * asked and waited for; one that is out of the guest forgets before it enters again.
 */
final class Shootdown {
  private final PhysicalCpu[] cpus;
  private final FlushClock clock;

  Shootdown(PhysicalCpu[] cpus) {
    this.cpus = cpus;
    clock = new FlushClock(cpus.length);
  }

  FlushClock clock() {
    return clock;
  }

  /** Flushes the first so many CPUs. */
  void first(int count) {
    int time = tick();
    for (int number = 0; number < count; number++) {
      flush(number, time);
    }
  }

  /** Flushes one CPU. */
  void one(int number) {
    flush(number, tick());
  }

  /**
   * Flushes those of the first so many CPUs that have not flushed since a stamp ({@code
   * tlbflush_filter}).
   */
  void since(int count, int stamp) {
    int time = 0;
    for (int number = 0; number < count; number++) {
      if (clock.mayHold(number, stamp)) {
        time = time == 0 ? tick() : time;
        flush(number, time);
      }
    }
  }

  /** The same of all CPUs. */
  void allSince(int stamp) {
    since(cpus.length, stamp);
  }

  /** Drops one vCPU's translation of one address, or everything where the CPU is busy. */
  void linear(int number, GuestVcpu vcpu, @Gva long linear) {
    PhysicalCpu at = cpus[number];
    if (at.lock().tryLock()) {
      try {
        at.cpu().flushLinear(vcpu.control().tag(), linear);
      } finally {
        at.lock().unlock();
      }
    } else {
      ask(at);
    }
  }

  /** A round begins; when the clock wraps, all CPUs flush, and it goes on from the beginning. */
  private int tick() {
    int time = clock.tick();
    if (time != 0) {
      return time;
    }
    for (int number = 0; number < cpus.length; number++) {
      flush(number, 0);
    }
    clock.restart();
    return clock.tick();
  }

  private void flush(int number, int time) {
    PhysicalCpu at = cpus[number];
    if (at.lock().tryLock()) {
      try {
        at.cpu().flush();
      } finally {
        at.lock().unlock();
      }
    } else {
      ask(at);
    }
    clock.flushed(number, time);
  }

  private static void ask(PhysicalCpu at) {
    long ticket = at.cpu().requestFlush();
    while (!at.cpu().hasFlushed(ticket)) {
      Thread.onSpinWait();
    }
  }
}
