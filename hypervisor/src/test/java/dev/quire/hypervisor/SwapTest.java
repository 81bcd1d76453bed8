// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SwapTest {
  private final FakeMachine machine = FakeMachine.ofFrames(2, 4096);
  private final MachineHypervisor hypervisor = new MachineHypervisor(machine);
  private final FakeBackend first = new FakeBackend();
  private final FakeBackend second = new FakeBackend();

  private static FakeBackend named(FakeBackend backend, String name) {
    backend.name = name;
    return backend;
  }

  private GuestDomain identity() {
    return (GuestDomain) hypervisor.createDomain(first, Specs.identity(2, 0x100, 0x40));
  }

  @Test
  void theNewBackendTakesEveryVcpuBeforeTheOldOneLetsGo() {
    GuestDomain domain = identity();
    StringBuilder order = new StringBuilder();
    first.onDetach = () -> order.append("first lets go ");
    second.prepares = vcpu -> order.append("second takes ").append(vcpu.number()).append(' ');
    hypervisor.swap(domain, named(second, "second"));
    assertThat(order.toString()).isEqualTo("second takes 0 second takes 1 first lets go ");
    assertThat(domain.backend()).isEqualTo("second");
    assertThat(domain.vcpu(1).mode()).isSameAs(second);
  }

  @Test
  void theNewBackendFindsAControlBlockAsAtTheBeginningWithTheGuestsRegisters() {
    first.prepares =
        vcpu -> {
          vcpu.control().interceptRegisters(-1, true, -1, true, true);
          vcpu.control().interceptPageFaults(0, 0);
          vcpu.control().nested().levels = 5;
          vcpu.control().registers().cr3 = 0x7000;
        };
    GuestDomain domain = identity();
    domain.vcpu(0).registers().cr3 = 0x3000;
    domain.vcpu(0).control().kernelIsUser(true);
    ControlBlock before = domain.vcpu(0).control();
    hypervisor.swap(domain, second);
    ControlBlock now = domain.vcpu(0).control();
    assertThat(now).isNotSameAs(before);
    assertThat(now.registers().cr3).isEqualTo(0x3000);
    assertThat(now.cr0Intercepts() | now.cr4Intercepts()).isZero();
    assertThat(now.interceptsPageFault(0)).isFalse();
    assertThat(now.nested().levels).isEqualTo(4);
    assertThat(now.kernelIsUser()).as("the guest interface's, not the backend's").isTrue();
  }

  @Test
  void nothingThatTheOldBackendLeftInACacheIsUsedAgain() {
    GuestDomain domain = identity();
    domain.vcpu(0).run(new OperationBlock(1));
    machine.cpu(0).flushes.clear();
    hypervisor.swap(domain, second);
    assertThat(machine.cpu(0).flushes).containsExactly("all");
    assertThat(machine.cpu(1).flushes).containsExactly("all");
  }

  @Test
  void aBackendThatRefusesLeavesTheOldOneRunningAsItWas() {
    GuestDomain domain = identity();
    ControlBlock control = domain.vcpu(0).control();
    for (boolean late : new boolean[] {false, true}) {
      second.unavailable = !late;
      second.refusesModes = late;
      second.format = P2mFormat.EPT;
      first.calls.clear();
      assertThatThrownBy(() -> hypervisor.swap(domain, second))
          .isInstanceOf(BackendUnavailableException.class);
      assertThat(domain.vcpu(0).control()).isSameAs(control);
      assertThat(domain.vcpu(0).mode()).isSameAs(first);
      assertThat(domain.paging()).isSameAs(first);
      assertThat(domain.isTranslated()).isFalse();
      assertThat(domain.pool().used()).isZero();
      assertThat(first.calls).doesNotContain("detach");
      assertThat(domain.vcpu(0).run(new OperationBlock(1))).isEqualTo(RunResult.DONE);
    }
    assertThat(second.calls).endsWith("detach");
  }

  @Test
  void aPoolThatIsTooSmallForTheP2mIsARefusalThatCostsNothing() {
    DomainSpec small = Specs.identity(1, 0x100, 0x40).withPool(3);
    Domain domain = hypervisor.createDomain(first, small);
    second.format = P2mFormat.X86;
    assertThatThrownBy(() -> hypervisor.swap(domain, second))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("pool of 3 frames");
    assertThat(domain.pool().used()).isZero();
    assertThat(domain.isTranslated()).isFalse();
    assertThat(domain.pool().resize(8).isOk()).isTrue();
    hypervisor.swap(domain, second);
    assertThat(domain.p2m().tableFrames()).isEqualTo(4);
  }

  @Test
  void aMachineWithoutRoomForThePoolRefuses() {
    DomainSpec greedy = Specs.identity(1, 0x100, 0x40).withPool(1 << 20);
    second.format = P2mFormat.X86;
    long free = hypervisor.freeFrames();
    assertThatThrownBy(() -> hypervisor.createDomain(second, greedy))
        .isInstanceOf(BackendUnavailableException.class);
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
  }

  @Test
  void thePoolLiesOutsideTheGuestsMemoryAndAllIsGivenBackAtTheEnd() {
    long free = hypervisor.freeFrames();
    second.format = P2mFormat.EPT;
    Domain domain = hypervisor.createDomain(second, Specs.row(1, 0x40));
    assertThat(domain.gfnToMfn(0x3f)).isEqualTo(0x3f);
    assertThat(domain.mfnToGfn(0x3f)).isEqualTo(0x3f);
    long root = domain.p2m().root() >>> 12;
    assertThat(root).isGreaterThanOrEqualTo(0x40);
    assertThat(domain.mfnToGfn(root)).as("no guest frame").isEqualTo(-1);
    assertThat(domain.p2m().audit()).isEmpty();
    hypervisor.destroy(domain);
    assertThat(hypervisor.freeFrames()).isEqualTo(free);
    hypervisor.createDomain(second, Specs.row(1, 0x40));
  }

  @Test
  void aP2mIsBuiltForWhoeverNeedsOneAndGoesForWhoeverRunsOnTheBareMachine() {
    GuestDomain domain = identity();
    assertThat(domain.isTranslated()).isFalse();
    second.format = P2mFormat.EPT;
    for (int i = 0; i < 20; i++) {
      hypervisor.swap(domain, second);
      assertThat(domain.isTranslated()).isTrue();
      assertThat(domain.gfnToMfn(0x120)).isEqualTo(0x120);
      assertThat(domain.gfnToMfn(0x140)).isEqualTo(-1);
      assertThat(domain.isIdentity()).isTrue();
      hypervisor.swap(domain, new NativeBackend());
      assertThat(domain.isTranslated()).isFalse();
      assertThat(domain.pool().used()).isZero();
    }
    assertThatThrownBy(domain::p2m).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void nativePagingServesNoDomainWhoseP2mIsNotAPlainIdentity() {
    GuestDomain domain = identity();
    second.format = P2mFormat.EPT;
    hypervisor.swap(domain, second);
    domain.p2m().changeType(0x110, P2mType.RAM_RW, P2mType.RAM_RO);
    refused(domain);
    domain.p2m().changeType(0x110, P2mType.RAM_RO, P2mType.RAM_RW);
    domain.p2m().remove(0x110, 0x110, 0);
    refused(domain);
    domain.p2m().add(0x200, 0x110, 0, P2mType.RAM_RW);
    refused(domain);
    domain.p2m().add(0x110, 0x110, 0, P2mType.RAM_RW);
    hypervisor.swap(domain, new NativeBackend());
  }

  private void refused(GuestDomain domain) {
    assertThatThrownBy(() -> hypervisor.swap(domain, new NativeBackend()))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("machine frames");
    assertThat(domain.isTranslated()).isTrue();
    assertThat(domain.paging()).isSameAs(second);
  }

  @Test
  void statisticsAreKeptForEachBackend() {
    GuestDomain domain = identity();
    first.statistics.put("walks", 3L);
    hypervisor.swap(domain, named(second, "second"));
    second.statistics.put("walks", 5L);
    hypervisor.swap(domain, first);
    assertThat(domain.statistics())
        .isEqualTo(Map.of("fake", Map.of("walks", 6L), "second", Map.of("walks", 5L)));
  }

  @Test
  void domainsOfOthersAreNotSwapped() {
    Domain other =
        new MachineHypervisor(FakeMachine.ofFrames(1, 64)).createDomain(first, Specs.row(1, 1));
    assertThatThrownBy(() -> hypervisor.swap(other, second))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void superpagesAreUsedWhereTheSpecificationAllowsThem() {
    FakeMachine large = FakeMachine.ofFrames(1, 1 << 14);
    second.format = P2mFormat.X86;
    for (Placement placement : Placement.values()) {
      MachineHypervisor fresh = new MachineHypervisor(large);
      DomainSpec spec = DomainSpec.hvm(1, 0x1000).withPlacement(placement).withLargestOrder(9);
      Domain domain = fresh.createDomain(second, spec);
      assertThat(domain.p2m().tableFrames()).as("%s", placement).isEqualTo(3);
      fresh.destroy(domain);
    }
  }
}
