// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.paging.PagingBackend;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

class ServicesTest {
  @Test
  void theHypervisorAndItsBackendAreFoundOnAPlainClassPath() {
    HypervisorFactory factory =
        ServiceLoader.load(HypervisorFactory.class).findFirst().orElseThrow();
    assertThat(factory.create(FakeMachine.ofFrames(1, 16))).isInstanceOf(MachineHypervisor.class);
    assertThat(ServiceLoader.load(PagingBackend.class))
        .extracting(PagingBackend::name)
        .containsExactly("native");
  }
}
