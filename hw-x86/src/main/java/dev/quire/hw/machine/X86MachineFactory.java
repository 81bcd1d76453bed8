// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import java.util.Map;

/** Builds machines. */
@ServiceProvider(MachineFactory.class)
public final class X86MachineFactory implements MachineFactory {
  /** For the service loader. */
  public X86MachineFactory() {}

  @Override
  public Machine create(MachineSpec spec) {
    return new X86Machine(spec);
  }

  @Override
  public Map<String, Preset> presets() {
    return TlbPresets.ALL;
  }
}
