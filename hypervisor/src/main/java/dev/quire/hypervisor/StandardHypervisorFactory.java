// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.Machine;
import dev.quire.hypervisor.frames.MachineFrameTable;

/** Starts the one hypervisor that there is. */
@ServiceProvider(HypervisorFactory.class)
public final class StandardHypervisorFactory implements HypervisorFactory {
  /** For the service loader. */
  public StandardHypervisorFactory() {}

  @Override
  public Hypervisor create(Machine machine) {
    return new MachineHypervisor(machine);
  }

  @Override
  public FrameTable frameTable(@Mfn long end) {
    return MachineFrameTable.detached(end);
  }
}
