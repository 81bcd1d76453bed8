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

  /** Does something while none of these vCPUs, which are one domain's, is running. */
  void quiesce(GuestVcpu[] vcpus, Runnable action) {
    quiesce(0, Math.min(vcpus.length, cpus.length), action);
  }

  /** Takes the monitors in ascending order, as everybody who takes several does. */
  private void quiesce(int from, int to, Runnable action) {
    if (from == to) {
      action.run();
      return;
    }
    synchronized (cpus[from]) {
      quiesce(from + 1, to, action);
    }
  }

  /** Drops what the CPUs of these vCPUs, which are one domain's and quiet, have cached. */
  void flush(GuestVcpu[] vcpus) {
    for (int number = 0; number < Math.min(vcpus.length, cpus.length); number++) {
      cpus[number].cpu().flush();
    }
  }
}
