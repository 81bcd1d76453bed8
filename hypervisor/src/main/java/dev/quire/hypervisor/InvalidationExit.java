// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.Vector;

/** INVLPG and INVPCID that the intercepts asked for. */
final class InvalidationExit {
  private InvalidationExit() {}

  static Resolution page(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    @Gva long linear = Addresses.gva(block.operands()[block.next()]);
    if (isAddress(vcpu.registers(), linear)) { // otherwise INVLPG does nothing at all
      invalidate(vcpu, cpu, linear);
    }
    return Resolution.EMULATED;
  }

  static Resolution pcid(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    if (vcpu.domain().guestInterface() != null) {
      return ExitRow.inject(vcpu, Vector.UD); // not offered to guests without privilege
    }
    Registers guest = vcpu.registers();
    @Gva long linear = Addresses.gva(block.operands()[block.next()]);
    long packed = block.moreOperands()[block.next()];
    if (!Invalidation.isLegal(packed, isAddress(guest, linear), guest.cr4)) {
      return ExitRow.inject(vcpu, Vector.GP);
    }
    if (Invalidation.type(packed) == Invalidation.ADDRESS
        && Invalidation.pcid(packed) == currentPcid(guest)) {
      invalidate(vcpu, cpu, linear);
    } else {
      vcpu.mode().updateCr3(vcpu, false);
      cpu.flushTag(vcpu.control().tag());
    }
    return Resolution.EMULATED;
  }

  private static void invalidate(GuestVcpu vcpu, Cpu cpu, @Gva long linear) {
    if (vcpu.mode().invalidate(vcpu, linear)) {
      cpu.flushLinear(vcpu.control().tag(), linear);
    }
  }

  private static int currentPcid(Registers guest) {
    return (guest.cr4 & Cr4.PCIDE) != 0 ? (int) (guest.cr3 & Cr3.PCID) : 0;
  }

  private static boolean isAddress(Registers guest, @Gva long linear) {
    return Invalidation.isAddress(linear, guest.cr0, guest.cr4, guest.efer);
  }
}
