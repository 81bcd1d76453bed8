// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.List;

/** What tests ask for. */
final class Specs {
  private Specs() {}

  /** Guest frames from 0 on the lowest free machine frames in a row. */
  static DomainSpec row(int vcpus, long frames) {
    return DomainSpec.hvm(vcpus, frames).withPlacement(Placement.CONTIGUOUS);
  }

  /** Guest frames that are machine frames. */
  static DomainSpec identity(int vcpus, long first, long frames) {
    List<Ram> memory = List.of(new Ram(first << 12, frames << 12));
    return new DomainSpec(vcpus, memory, Placement.IDENTITY, 0, 0, 1);
  }
}
