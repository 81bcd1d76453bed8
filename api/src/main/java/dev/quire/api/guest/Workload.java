// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

import dev.quire.api.domain.Domain;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/** Something for a guest to do, with a way to know whether it went as it should. */
@ConsumerType
public interface Workload extends AutoCloseable {
  /**
   * What the workload must have to run on.
   *
   * @param memory the guest-physical ranges that are its RAM
   * @param vcpus how many vCPUs
   */
  record Needs(List<Ram> memory, int vcpus) {
    /** Copies the ranges. */
    public Needs {
      memory = List.copyOf(memory);
    }

    /** The RAM of a PC that ends at {@code ramBytes}. Unit: bytes */
    public Needs(long ramBytes, int vcpus) {
      this(Ram.pc(ramBytes), vcpus);
    }
  }

  /** What the machine and domain must offer. */
  Needs needs();

  /**
   * Runs to the end or to the limit.
   *
   * @param domain freshly created
   * @param toolstack for workloads that disturb their own domain
   * @param monitor told how far the work is; asked whether to stop
   * @throws InputException if the input turns out to be damaged
   */
  WorkloadReport run(Domain domain, Toolstack toolstack, WorkloadMonitor monitor);

  @Override
  void close();
}
