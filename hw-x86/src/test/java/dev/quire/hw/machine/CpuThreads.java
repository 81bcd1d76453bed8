// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Gva;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** What tests of CPUs on real threads do with them. */
public final class CpuThreads {
  private static final int LOADS = 32;

  private CpuThreads() {}

  /** Runs tasks at the same time, each in a thread; answers how each ended. */
  public static List<ExitReason> together(List<Callable<ExitReason>> tasks) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(tasks.size());
    try {
      List<ExitReason> exits = new ArrayList<>();
      for (Future<ExitReason> each : threads.invokeAll(tasks, 60, TimeUnit.SECONDS)) {
        exits.add(each.get());
      }
      return exits;
    } finally {
      threads.shutdownNow();
    }
  }

  /** Loads from one address until it is told to stop; what is there must always be 1. */
  public static ExitReason loadUntil(
      AtomicBoolean stop, Cpu cpu, ControlBlock guest, @Gva long linear) {
    OperationBlock block = new OperationBlock(LOADS);
    while (!block.isFull()) {
      block.load(Access.of(0, true, false), linear, 8);
    }
    while (!stop.get()) {
      block.next(0);
      ExitReason exit = cpu.enter(guest, block, Integer.MAX_VALUE);
      if (exit != ExitReason.DONE) {
        return exit;
      }
      assertThat(block.results()).containsOnly(1);
    }
    return ExitReason.DONE;
  }
}
