// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.Machine;

/**
 * Places vCPUs on CPUs, always the same way: vCPU n of any domain on CPU n, modulo their number.
 */
final class Scheduler {
  private final PhysicalCpu[] cpus;

  Scheduler(Machine machine) {
    cpus = new PhysicalCpu[machine.cpus()];
    for (int number = 0; number < cpus.length; number++) {
      cpus[number] = new PhysicalCpu(machine.cpu(number));
    }
  }

  PhysicalCpu place(GuestVcpu vcpu) {
    return cpus[vcpu.number() % cpus.length];
  }
}
