// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;

/** The same guest on a machine of its own that caches nothing: what it must see. */
final class BareGuest {
  final Machine machine;
  final ControlBlock[] controls;

  BareGuest(Machine machine, int vcpus) {
    this.machine = machine;
    controls = new ControlBlock[vcpus];
    for (int i = 0; i < vcpus; i++) {
      controls[i] = new ControlBlock();
    }
  }

  void set(int vcpu, Registers registers) {
    controls[vcpu].registers().set(registers);
    machine.cpu(0).flush();
  }

  Outcome run(int vcpu, OperationBlock block) {
    ExitReason reason = machine.cpu(0).enter(controls[vcpu], block, 1);
    ControlBlock control = controls[vcpu];
    return reason == ExitReason.FAULT
        ? Outcome.fault(
            control.exitVector(),
            control.exitErrorCode(),
            control.exitVector() == 14 ? control.exitLinear() : 0)
        : Outcome.done(block.reached()[0], block.results()[0]);
  }
}
