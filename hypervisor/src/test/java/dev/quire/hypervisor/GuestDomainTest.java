// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GuestDomainTest {
  private final FakeMachine machine = FakeMachine.ofFrames(1, 64);
  private final FakeBackend backend = new FakeBackend();
  private Domain domain;

  @BeforeEach
  void makeADomainThatDoesNotBeginAtZero() {
    MachineHypervisor hypervisor = new MachineHypervisor(machine);
    hypervisor.createDomain(backend, Specs.row(1, 8));
    domain = hypervisor.createDomain(backend, Specs.row(1, 8));
    backend.calls.clear();
  }

  @Test
  void aDeviceWritesTheFrameBehindTheAddressAndTheBackendIsTold() {
    domain.deviceStore(0x3004, 4, 0x1234);
    assertThat(machine.memory().load(0xb004, 4)).isEqualTo(0x1234);
    assertThat(domain.deviceLoad(0x3004, 2)).isEqualTo(0x1234);
    assertThat(backend.calls).containsExactly("guestMemoryChanged 3 1");
  }

  @Test
  void aDeviceWritesAWholeFrame() {
    long[] content = new long[512];
    for (int i = 0; i < content.length; i++) {
      content[i] = i * 3L;
    }
    domain.deviceStoreFrame(7, content);
    assertThat(machine.memory().frameToRead(15)).isEqualTo(content);
    assertThat(backend.calls).containsExactly("guestMemoryChanged 7 1");
    assertThatThrownBy(() -> domain.deviceStoreFrame(7, new long[511]))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void whereThereIsNoFrameWritesVanishAndReadsGiveOnes() {
    domain.deviceStore(0x8000, 8, 1);
    domain.deviceStoreFrame(8, new long[512]);
    assertThat(domain.deviceLoad(0x8000, 8)).isEqualTo(-1);
    assertThat(domain.deviceLoad(0x8000, 1)).isEqualTo(0xff);
    assertThat(machine.memory().framesInUse()).isZero();
    assertThat(backend.calls).isEmpty();
  }

  @Test
  void aDomainKnowsItsBackendAndItsVcpus() {
    assertThat(domain.backend()).isEqualTo("fake");
    assertThat(domain.paging()).isSameAs(backend);
    assertThat(domain.machine()).isSameAs(machine);
    assertThat(domain.vcpus()).isEqualTo(1);
    assertThat(domain.vcpu(0).domain()).isSameAs(domain);
    assertThat(domain.vcpu(0).number()).isZero();
    assertThat(domain.crashReason()).isNull();
  }

  @Test
  void theFirstReasonOfACrashStands() {
    GuestDomain ours = (GuestDomain) domain;
    ours.crash("first");
    ours.crash("second");
    assertThat(domain.crashReason()).isEqualTo("first");
  }
}
