// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PageEntry;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One guest on real threads: two vCPUs, a CPU each, shared tables. */
@Timeout(240)
class NativeThreadsTest {
  private static final int VCPUS = 2;
  private static final int ROUNDS = 2000;

  private final Machine machine =
      SmallGuest.machines()
          .create(
              MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
                  .withCpus(VCPUS)
                  .withTlb(SmallGuest.machines().presets().get("tiny").geometry()));
  private final SmallGuest guest =
      new SmallGuest(
          new MachineHypervisor(machine)
              .createDomain(new NativeBackend(), Specs.identity(VCPUS, 0, SmallGuest.FRAMES)));
  private final CyclicBarrier barrier = new CyclicBarrier(VCPUS);

  private void onEveryVcpu(IntConsumer work) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(VCPUS);
    try {
      List<Future<?>> results = new ArrayList<>();
      for (int i = 0; i < VCPUS; i++) {
        int vcpu = i;
        results.add(threads.submit(() -> work.accept(vcpu)));
      }
      for (Future<?> result : results) {
        result.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  private void meet() {
    try {
      barrier.await();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** One sets A while the other sets D, in entries that are fresh each round. */
  @Test
  void noAccessedOrDirtyBitIsLost() throws Exception {
    onEveryVcpu(
        vcpu -> {
          guest.boot(vcpu);
          OperationBlock block = new OperationBlock(2 * SmallGuest.FRAMES);
          for (int round = 0; round < ROUNDS; round++) {
            if (vcpu == 0) {
              for (int i = SmallGuest.TABLES; i < SmallGuest.FRAMES; i++) {
                guest.domain.deviceStore(guest.entryOf(i), 8, guest.frame(i) | SmallGuest.FLAGS);
              }
            }
            meet();
            block.clear();
            for (int i = SmallGuest.TABLES; i < SmallGuest.FRAMES; i++) {
              block.control(Kind.INVLPG, SmallGuest.linear(i));
              block.probe(vcpu == 0 ? 0 : Access.WRITE, SmallGuest.linear(i));
            }
            assertThat(guest.run(vcpu, block)).isEqualTo(RunResult.DONE);
            meet();
            for (int i = SmallGuest.TABLES; i < SmallGuest.FRAMES; i++) {
              long entry = guest.domain.deviceLoad(guest.entryOf(i), 8);
              assertThat(entry)
                  .isEqualTo(guest.frame(i) | SmallGuest.FLAGS | PageEntry.A | PageEntry.D);
            }
            meet();
          }
        });
  }

  /** A page moves while both use it; after each vCPU's own INVLPG nobody reaches its old place. */
  @Test
  void afterAShootdownNobodyReachesTheOldPage() throws Exception {
    onEveryVcpu(
        vcpu -> {
          guest.boot(vcpu);
          OperationBlock use = new OperationBlock(64);
          OperationBlock shoot = new OperationBlock(2);
          for (int round = 0; round < ROUNDS; round++) {
            int home = 5 + round % 2;
            if (vcpu == 0) {
              long entry = guest.frame(home) | SmallGuest.FLAGS;
              guest.domain.deviceStore(guest.entryOf(5), 8, entry);
            }
            use(vcpu, use); // may reach either place
            meet();
            shoot.clear();
            shoot.control(Kind.INVLPG, SmallGuest.linear(5));
            shoot.probe(Access.WRITE, SmallGuest.linear(5));
            assertThat(guest.run(vcpu, shoot)).isEqualTo(RunResult.DONE);
            assertThat(shoot.reached()[1]).isEqualTo(guest.frame(home));
            use(vcpu, use);
            for (int i = 0; i < use.size(); i++) {
              assertThat(use.reached()[i]).isEqualTo(guest.frame(home));
            }
            meet();
          }
        });
  }

  private void use(int vcpu, OperationBlock block) {
    block.clear();
    while (!block.isFull()) {
      block.probe(Access.of(Access.WRITE, true, false), SmallGuest.linear(5));
    }
    assertThat(guest.run(vcpu, block)).isEqualTo(RunResult.DONE);
  }
}
