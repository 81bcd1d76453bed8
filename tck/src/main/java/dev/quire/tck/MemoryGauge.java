// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.paging.PagingBackend;
import java.util.BitSet;
import java.util.List;

/**
 * Which parts of a machine a domain can still be given, found by giving them: what a backend or the
 * hypervisor has not given back is missing.
 */
final class MemoryGauge {
  private static final long PART = 1L << 20;
  private static final long POOL = 1;

  private MemoryGauge() {}

  /** The parts of 1 MiB that are free from end to end, by number. */
  static BitSet of(Hypervisor hypervisor, Machine machine) {
    PagingBackend nobody = Services.backend("native");
    BitSet free = new BitSet();
    for (Ram range : machine.memory().ram()) {
      for (long at = range.start(); at + PART <= range.start() + range.length(); at += PART) {
        DomainSpec part =
            new DomainSpec(1, List.of(new Ram(at, PART)), Placement.IDENTITY, 0, POOL, 1);
        if (fits(hypervisor, nobody, part)) {
          free.set((int) (at / PART));
        }
      }
    }
    return free;
  }

  private static boolean fits(Hypervisor hypervisor, PagingBackend backend, DomainSpec spec) {
    try {
      hypervisor.destroy(hypervisor.createDomain(backend, spec));
      return true;
    } catch (IllegalArgumentException taken) {
      return false;
    }
  }
}
