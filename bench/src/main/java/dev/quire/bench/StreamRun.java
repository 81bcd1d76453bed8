// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/**
 * The measurement of one kernel in Java on one stream: what the first two passes counted, then the
 * time of further passes and what they allocate, printed as {@link Kernel} reads it.
 */
abstract class StreamRun {
  /** The compiler works in the background, and on a busy host it takes its time. */
  private static final long WARM_NANOS = 2_000_000_000L;

  private static final int WARM_PASSES = 6;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private long faults;
  private long faultSum;

  /** Runs the stream once. */
  abstract void pass();

  /** Sets all counters to zero. */
  abstract void resetCounters();

  /** What was counted since, by the name that every kernel prints it with. */
  abstract Map<String, Long> counters();

  /** The machine addresses that the last pass reached; 0 for accesses that faulted. */
  abstract long[] reached();

  /** Notes a fault. */
  final void fault(int errorCode) {
    faults++;
    faultSum = faultSum * 31 + errorCode;
  }

  final void measure(int passes) {
    showPass("cold");
    showPass("steady");
    long begin = System.nanoTime();
    for (int i = 0; i < WARM_PASSES || System.nanoTime() - begin < WARM_NANOS; i++) {
      pass();
    }
    int count = reached().length;
    double[] times = new double[passes];
    for (int i = 0; i < passes; i++) {
      long start = threads.getCurrentThreadCpuTime();
      pass();
      times[i] = (double) (threads.getCurrentThreadCpuTime() - start) / count;
    }
    Arrays.sort(times);
    double bytes = (double) (allocatedBy(this::pass) - allocatedBy(() -> {})) / count;
    System.out.printf(Locale.ROOT, "ns=%.4f bytes=%.6f%n", times[passes / 2], bytes);
  }

  private void showPass(String name) {
    resetCounters();
    faults = 0;
    faultSum = 0;
    pass();
    counters().forEach((counter, value) -> System.out.printf("%s-%s=%d ", name, counter, value));
    System.out.printf("%s-faults=%d %s-fault-sum=%x ", name, faults, name, faultSum);
    System.out.printf("%s-sum=%x ", name, Arrays.stream(reached()).sum());
  }

  private long allocatedBy(Runnable work) {
    long before = threads.getCurrentThreadAllocatedBytes();
    work.run();
    return threads.getCurrentThreadAllocatedBytes() - before;
  }
}
