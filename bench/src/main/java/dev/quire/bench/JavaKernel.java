// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import com.sun.management.ThreadMXBean;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.OperationBlock;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;

/**
 * Measures the machine on one stream, in a process of its own: {@code STREAM PASSES}.
 *
 * <p>The stream is one block, and the CPU is entered with a budget of 4,096 operations until it is
 * done: so the time is the block interface's, reading the operations from memory and writing the
 * addresses that were reached included. They are added up after the clock has stopped.
 */
final class JavaKernel {
  private static final int BUDGET = 4096;
  private static final int WARM_PASSES = 6;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final Cpu cpu;
  private final ControlBlock control;
  private final OperationBlock block;
  private final int count;

  private long faults;
  private long faultSum;

  private JavaKernel(Cpu cpu, ControlBlock control, Stream stream) {
    this.cpu = cpu;
    this.control = control;
    count = stream.operations().length;
    block = new OperationBlock(count);
    System.arraycopy(stream.operations(), 0, block.operations(), 0, count);
  }

  public static void main(String[] arguments) throws Exception {
    Stream stream = Stream.read(Path.of(arguments[0]));
    StreamMachine machine = new StreamMachine();
    ControlBlock control = machine.addressSpace(stream, 1);
    JavaKernel kernel = new JavaKernel(machine.cpu(), control, stream);
    kernel.showPass("cold");
    kernel.showPass("steady");
    kernel.measure(Integer.parseInt(arguments[1]));
  }

  /** Runs one pass and shows what it counted. */
  private void showPass(String name) {
    cpu.counters().reset();
    faults = 0;
    faultSum = 0;
    pass();
    Counters counters = cpu.counters();
    show(name, "l1-misses", counters.get(HwEvent.L1D_MISSES) + counters.get(HwEvent.L1I_MISSES));
    show(name, "l2-misses", counters.get(HwEvent.L2_MISSES));
    show(name, "walks", counters.get(HwEvent.WALKS));
    show(name, "references", references(counters));
    show(name, "rewalks", counters.get(HwEvent.RIGHTS_REWALKS));
    show(name, "accessed-set", counters.get(HwEvent.ACCESSED_SET));
    show(name, "dirty-set", counters.get(HwEvent.DIRTY_SET));
    show(name, "faults", faults);
    System.out.printf("%s-fault-sum=%x %s-sum=%x ", name, faultSum, name, total());
  }

  private static void show(String pass, String counter, long value) {
    System.out.printf("%s-%s=%d ", pass, counter, value);
  }

  private static long references(Counters counters) {
    return EnumSet.range(HwEvent.REFERENCES_1, HwEvent.REFERENCES_5).stream()
        .mapToLong(counters::get)
        .sum();
  }

  private void measure(int passes) {
    for (int i = 0; i < WARM_PASSES; i++) {
      pass();
    }
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

  private long allocatedBy(Runnable work) {
    long before = threads.getCurrentThreadAllocatedBytes();
    work.run();
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  private void pass() {
    block.clear();
    block.size(count);
    ExitReason reason = cpu.enter(control, block, BUDGET);
    while (reason != ExitReason.DONE) {
      if (reason == ExitReason.FAULT) {
        skipFault();
      }
      reason = cpu.enter(control, block, BUDGET);
    }
  }

  private void skipFault() {
    int at = block.next();
    faults++;
    faultSum = faultSum * 31 + control.exitErrorCode();
    block.reached()[at] = 0;
    block.next(at + 1);
  }

  private long total() {
    long total = 0;
    for (int i = 0; i < count; i++) {
      total += block.reached()[i];
    }
    return total;
  }
}
