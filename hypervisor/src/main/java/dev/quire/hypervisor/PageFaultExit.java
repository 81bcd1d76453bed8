// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;

/** A page fault that the intercepts asked for. */
final class PageFaultExit {
  private PageFaultExit() {}

  static Resolution handle(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    Resolution resolution = vcpu.mode().pageFault(vcpu);
    if (resolution != Resolution.INJECT) {
      return resolution;
    }
    judgeByGuestsRules(vcpu, block);
    InterfaceDomain guest = vcpu.domain().guestInterface();
    return guest == null ? Resolution.INJECT : guest.pageFault(vcpu, block);
  }

  /** Where the hardware runs with another CR0.WP, its error code may not be the guest's. */
  private static void judgeByGuestsRules(GuestVcpu vcpu, OperationBlock block) {
    ControlBlock control = vcpu.control();
    if (((vcpu.registers().cr0 ^ control.registers().cr0) & Cr0.WP) == 0) {
      return;
    }
    long access = TrappedOperation.access(block.operations()[block.next()]);
    long own = vcpu.translate(control.exitLinear(), access, null);
    if (Translation.isFault(own)) {
      control.exit(Vector.PF, Translation.errorCode(own), control.exitLinear(), own);
    }
  }
}
