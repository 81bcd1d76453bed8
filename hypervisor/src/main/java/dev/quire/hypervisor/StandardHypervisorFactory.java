// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.Machine;

/** Starts the one hypervisor that there is. */
@ServiceProvider(HypervisorFactory.class)
public final class StandardHypervisorFactory implements HypervisorFactory {
  /** For the service loader. */
  public StandardHypervisorFactory() {}

  @Override
  public Hypervisor create(Machine machine) {
    return new MachineHypervisor(machine);
  }
}
