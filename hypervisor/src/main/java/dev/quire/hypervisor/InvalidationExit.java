// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invpcid;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Vector;

/** INVLPG and INVPCID that the intercepts asked for. */
final class InvalidationExit {
  private InvalidationExit() {}

  static Resolution page(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    @Gva long linear = Addresses.gva(block.operands()[block.next()]);
    if (isCanonical(vcpu.registers(), linear)) { // otherwise INVLPG does nothing at all
      invalidate(vcpu, cpu, linear);
    }
    return Resolution.EMULATED;
  }

  static Resolution pcid(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    Registers guest = vcpu.registers();
    @Gva long linear = Addresses.gva(block.operands()[block.next()]);
    long packed = block.moreOperands()[block.next()];
    if (!Invpcid.isLegal(packed, isCanonical(guest, linear), guest.cr4)) {
      return ExitRow.inject(vcpu, Vector.GP);
    }
    if (Invpcid.type(packed) == Invpcid.ADDRESS && Invpcid.pcid(packed) == currentPcid(guest)) {
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

  private static boolean isCanonical(Registers guest, @Gva long linear) {
    PagingFormat format = PagingRules.format(guest.cr4, guest.efer);
    boolean paged = (guest.cr0 & Cr0.PG) != 0;
    return !paged || !format.isLongMode() || format.isCanonical(linear);
  }
}
