// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.hw.Machine;

/**
 * Places vCPUs on CPUs, always the same way: vCPU n of any domain on CPU n, modulo their number.
 */
final class Scheduler {
  private final PhysicalCpu[] cpus;
  private final Shootdown shootdown;

  Scheduler(Machine machine) {
    cpus = new PhysicalCpu[machine.cpus()];
    for (int number = 0; number < cpus.length; number++) {
      cpus[number] = new PhysicalCpu(machine.cpu(number));
    }
    shootdown = new Shootdown(cpus);
  }

  PhysicalCpu place(GuestVcpu vcpu) {
    return cpus[number(vcpu.number())];
  }

  /** The number of the CPU that a vCPU of any domain runs on. */
  int number(int vcpu) {
    return vcpu % cpus.length;
  }

  /** On how many CPUs, from the first on, a domain with so many vCPUs runs. */
  int used(int vcpus) {
    return Math.min(vcpus, cpus.length);
  }

  Shootdown shootdown() {
    return shootdown;
  }

  /** Does something while none of these vCPUs, which are one domain's, is running. */
  void quiesce(GuestVcpu[] vcpus, Runnable action) {
    int used = used(vcpus);
    for (int number = 0; number < used; number++) { // ascending, as everybody who takes several
      cpus[number].lock().lock();
    }
    try {
      action.run();
    } finally {
      for (int number = used - 1; number >= 0; number--) {
        cpus[number].lock().unlock();
      }
    }
  }

  private int used(GuestVcpu[] vcpus) {
    return used(vcpus.length);
  }

  /** Drops all that the CPUs of these vCPUs, which are one domain's and quiet, have cached. */
  void flush(GuestVcpu[] vcpus) {
    for (int number = 0; number < used(vcpus); number++) {
      cpus[number].cpu().flush();
    }
  }

  /**
   * A domain's p2m has changed: when this returns, nothing that a CPU derived from it before is
   * used any more. CPUs that another thread runs are asked, the others made to forget precisely.
   */
  void forgetP2m(GuestVcpu[] vcpus) {
    long[] tickets = new long[used(vcpus)];
    boolean asked = false;
    for (int number = 0; number < tickets.length; number++) {
      PhysicalCpu cpu = cpus[number];
      if (cpu.lock().tryLock()) {
        try {
          for (int i = number; i < vcpus.length; i += cpus.length) {
            vcpus[i].forgetP2m(cpu.cpu());
          }
        } finally {
          cpu.lock().unlock();
        }
      } else {
        tickets[number] = cpu.cpu().requestFlush();
        asked = true;
      }
    }
    for (int number = 0; asked && number < tickets.length; number++) {
      while (tickets[number] != 0 && !cpus[number].cpu().hasFlushed(tickets[number])) {
        Thread.onSpinWait();
      }
    }
  }
}
