// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class ThreadsTest {
  private final ExecutorService threads = Executors.newFixedThreadPool(4);
  private final FakeMachine machine = FakeMachine.ofFrames(2, 64);
  private final MachineHypervisor hypervisor = new MachineHypervisor(machine);
  private final Domain domain = hypervisor.createDomain(new FakeBackend(), Specs.row(4, 8));

  @AfterEach
  void stop() throws Exception {
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
  }

  private Future<RunResult> start(int vcpu) {
    return threads.submit(() -> domain.vcpu(vcpu).run(new OperationBlock(1)));
  }

  @Test
  void vcpusWithCpusOfTheirOwnRunAtTheSameTime() throws Exception {
    CyclicBarrier both = new CyclicBarrier(2);
    for (int cpu = 0; cpu < 2; cpu++) {
      machine
          .cpu(cpu)
          .always(
              (control, block) -> {
                meet(both);
                return ExitReason.DONE;
              });
    }
    Future<RunResult> first = start(0);
    Future<RunResult> second = start(1);
    assertThat(first.get()).isEqualTo(RunResult.DONE);
    assertThat(second.get()).isEqualTo(RunResult.DONE);
  }

  private static void meet(CyclicBarrier barrier) {
    try {
      barrier.await();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void vcpusThatShareACpuTakeTurns() throws Exception {
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    machine
        .cpu(0)
        .always(
            (control, block) -> {
              most.accumulateAndGet(inside.incrementAndGet(), Math::max);
              Thread.yield();
              inside.decrementAndGet();
              return ExitReason.DONE;
            });
    List<Future<RunResult>> runs = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      runs.add(start(i % 2 * 2));
    }
    for (Future<RunResult> run : runs) {
      assertThat(run.get()).isEqualTo(RunResult.DONE);
    }
    assertThat(most).hasValue(1);
    assertThat(machine.cpu(0).tags).hasSize(400).containsOnly(1, 2);
  }

  @Test
  void aDomainIsNotTakenFromUnderARunningVcpu() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch mayLeave = new CountDownLatch(1);
    machine
        .cpu(1)
        .then(
            (control, block) -> {
              inside.countDown();
              await(mayLeave);
              return ExitReason.PREEMPTED;
            });
    Future<RunResult> running = start(1);
    inside.await();
    Future<?> destroyed = threads.submit(() -> hypervisor.destroy(domain));
    while (domain.crashReason() == null) {
      Thread.onSpinWait();
    }
    assertThat(destroyed.isDone()).isFalse();
    mayLeave.countDown();
    assertThat(running.get()).isEqualTo(RunResult.DEAD);
    destroyed.get();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
