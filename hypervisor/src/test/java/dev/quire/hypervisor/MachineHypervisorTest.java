// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import org.junit.jupiter.api.Test;

class MachineHypervisorTest {
  private final FakeMachine machine =
      new FakeMachine(2, new Ram(0, 0x80_000), new Ram(0x100_000, 0x100_000));
  private final MachineHypervisor hypervisor = new MachineHypervisor(machine);
  private final FakeBackend backend = new FakeBackend();

  @Test
  void anIdentityDomainHasTheVeryFramesThatItAsksFor() {
    Domain domain =
        hypervisor.createDomain(
            backend, new DomainSpec(2, machine.memory().ram(), Placement.IDENTITY, 0, 0, 1));
    assertThat(domain.isIdentity()).isTrue();
    assertThat(domain.isTranslated()).isFalse();
    assertThat(domain.spec().frames()).isEqualTo(0x180);
    assertThat(domain.gfnToMfn(0x7f)).isEqualTo(0x7f);
    assertThat(domain.gfnToMfn(0x90)).as("a device").isEqualTo(FrameMapper.NONE);
    assertThat(domain.gfnToMfn(0x1ff)).isEqualTo(0x1ff);
    assertThat(domain.gfnToMfn(0x200)).isEqualTo(FrameMapper.NONE);
    assertThat(domain.gfnToMfn(-1)).isEqualTo(FrameMapper.NONE);
    assertThat(domain.mfnToGfn(0x1ff)).isEqualTo(0x1ff);
    assertThat(domain.mfnToGfn(0x90)).isEqualTo(FrameMapper.NONE);
    assertThat(hypervisor.freeFrames()).isZero();
    hypervisor.destroy(domain);
    assertThat(hypervisor.freeFrames()).isEqualTo(0x180);
  }

  @Test
  void framesThatAreNotRamOrAnothersCannotBeHad() {
    hypervisor.createDomain(backend, Specs.identity(1, 0x10, 0x10));
    long free = hypervisor.freeFrames();
    for (long first : new long[] {0x01, 0x1f, 0x70, 0x1f8}) {
      assertThatThrownBy(() -> hypervisor.createDomain(backend, Specs.identity(1, first, 0x18)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(String.format("0x%x", first));
    }
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
    hypervisor.createDomain(backend, Specs.identity(1, 0x20, 0x18));
  }

  @Test
  void vcpusOfOtherDomainsAreSpreadOverTheCpus() {
    Domain domain = hypervisor.createDomain(backend, Specs.row(5, 1));
    for (int number = 0; number < 5; number++) {
      domain.vcpu(number).run(new OperationBlock(1));
    }
    assertThat(machine.cpu(0).tags).hasSize(3);
    assertThat(machine.cpu(1).tags).hasSize(2);
  }

  @Test
  void domainsHaveMemoryOfTheirOwnInRam() {
    Domain first = hypervisor.createDomain(backend, Specs.row(1, 0x40));
    Domain second = hypervisor.createDomain(backend, Specs.row(1, 0x50));
    assertThat(first.isIdentity()).as("at machine frame 0").isTrue();
    assertThat(second.isIdentity()).isFalse();
    assertThat(second.gfnToMfn(0)).isEqualTo(0x100);
    assertThat(second.gfnToMfn(0x4f)).isEqualTo(0x14f);
    assertThat(second.gfnToMfn(0x50)).isEqualTo(FrameMapper.NONE);
    assertThat(second.mfnToGfn(0x14f)).isEqualTo(0x4f);
    assertThat(second.mfnToGfn(0x0f)).as("the first's").isEqualTo(FrameMapper.NONE);
    assertThat(hypervisor.freeFrames()).isEqualTo(0x180 - 0x90);
    assertThat(second.id()).isEqualTo(first.id() + 1);
  }

  @Test
  void aDomainCannotReadWhatAnotherLeft() {
    Domain first = hypervisor.createDomain(backend, Specs.row(1, 2));
    first.deviceStore(0x1008, 8, 42);
    hypervisor.destroy(first);
    Domain second = hypervisor.createDomain(backend, Specs.row(1, 2));
    assertThat(second.gfnToMfn(1)).isEqualTo(1);
    assertThat(second.deviceLoad(0x1008, 8)).isZero();
  }

  @Test
  void aNewDomainLeavesItsNeighboursMemoryAlone() {
    Domain first = hypervisor.createDomain(backend, Specs.row(1, 2));
    Domain second = hypervisor.createDomain(backend, Specs.row(1, 2));
    second.deviceStore(0, 8, 42);
    hypervisor.destroy(first);
    hypervisor.createDomain(backend, Specs.row(1, 2));
    assertThat(second.deviceLoad(0, 8)).isEqualTo(42);
  }

  @Test
  void aRefusedDomainLeavesNothingBehind() {
    long free = hypervisor.freeFrames();
    backend.unavailable = true;
    assertThatThrownBy(() -> hypervisor.createDomain(backend, Specs.row(1, 4)))
        .isInstanceOf(BackendUnavailableException.class);
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
    backend.unavailable = false;
    backend.refusesModes = true;
    assertThatThrownBy(() -> hypervisor.createDomain(backend, Specs.row(1, 4)))
        .isInstanceOf(BackendUnavailableException.class);
    assertThat(backend.calls).containsExactly("attach", "detach");
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
    backend.refusesModes = false;
    hypervisor.createDomain(backend, Specs.row(1, 4));
  }

  @Test
  void memoryThatIsNotThereIsRefusedWithWhatThereIs() {
    assertThatThrownBy(() -> hypervisor.createDomain(backend, Specs.row(1, 0x101)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("257")
        .hasMessageContaining("384");
  }

  @Test
  void aDestroyedDomainIsDetachedAndNeverRunsAgain() {
    long free = hypervisor.freeFrames();
    Domain domain = hypervisor.createDomain(backend, Specs.row(1, 4));
    hypervisor.destroy(domain);
    assertThat(backend.calls).endsWith("detach");
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
    assertThat(domain.vcpu(0).run(new OperationBlock(1))).isEqualTo(RunResult.DEAD);
    assertThat(domain.crashReason()).contains("destroyed");
    assertThatThrownBy(() -> hypervisor.destroy(domain))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void tenThousandDomainsCostLittle() {
    FakeMachine large = FakeMachine.ofFrames(1, 1L << 28);
    MachineHypervisor many = new MachineHypervisor(large);
    backend.prepares = vcpu -> backend.calls.clear();
    many.createDomain(backend, Specs.row(1, 16));
    long before = heap();
    int count = 10_000;
    Domain[] domains = new Domain[count];
    for (int i = 0; i < count; i++) {
      domains[i] = many.createDomain(backend, Specs.row(1, 16));
    }
    long each = (heap() - before) / count;
    assertThat(each).isLessThan(1200);
    assertThat(domains[count - 1].gfnToMfn(15)).isEqualTo(16 * count + 15);
    assertThat(large.memory().framesInUse()).isZero();
  }

  private static long heap() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
