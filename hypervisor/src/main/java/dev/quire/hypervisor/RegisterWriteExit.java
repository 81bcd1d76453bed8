// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.ControlRegisterUnit.PdpteSource;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Vector;

/**
 * A write to a control register that the intercepts asked for: done by the machine's rules on the
 * guest's registers; then the paging mode gives the hardware what follows from it.
 */
final class RegisterWriteExit {
  private static final int FLUSHES =
      ControlRegisterUnit.FLUSH_ALL
          | ControlRegisterUnit.FLUSH_NON_GLOBAL
          | ControlRegisterUnit.FLUSH_PCID;

  private RegisterWriteExit() {}

  static Resolution handle(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    int at = block.next();
    Kind kind = Operation.kind(block.operations()[at]);
    long operand = block.operands()[at];
    InterfaceDomain guest = vcpu.domain().guestInterface();
    if (guest != null) {
      Resolution answer = guest.registerWrite(vcpu, kind, operand);
      return answer == Resolution.INJECT ? ExitRow.inject(vcpu, Vector.GP) : answer;
    }
    if (restores(vcpu.registers(), kind, operand, block.moreOperands()[at])) {
      vcpu.giveToHardware();
      vcpu.mode(vcpu.domain().paging().updatePagingModes(vcpu));
      vcpu.mode().updateCr3(vcpu, false);
      cpu.flushTag(vcpu.control().tag());
      return Resolution.EMULATED;
    }
    return write(vcpu, cpu, kind, operand);
  }

  private static Resolution write(GuestVcpu vcpu, Cpu cpu, Kind kind, long operand) {
    GuestDomain domain = vcpu.domain();
    ControlRegisterUnit unit = domain.machine().controlRegisters();
    int effects = unit.write(vcpu.registers(), kind, operand, pdptes(vcpu));
    if ((effects & ControlRegisterUnit.UNDEFINED) != 0) {
      return ExitRow.inject(vcpu, Vector.UD);
    }
    if ((effects & ControlRegisterUnit.GENERAL_PROTECTION) != 0) {
      return ExitRow.inject(vcpu, Vector.GP);
    }
    vcpu.giveToHardware();
    if ((effects & ControlRegisterUnit.RULES_CHANGED) != 0) {
      vcpu.mode(domain.paging().updatePagingModes(vcpu));
    }
    if (kind == Kind.MOV_CR3) {
      vcpu.mode().updateCr3(vcpu, keepsCached(vcpu.registers(), operand));
    }
    if ((effects & FLUSHES) != 0) {
      cpu.flushTag(vcpu.control().tag()); // more than some ask for, which is always allowed
    }
    return Resolution.EMULATED;
  }

  /** Under NPT nothing loads PDPTEs, so none is refused: each walk reads and judges its own. */
  private static PdpteSource pdptes(GuestVcpu vcpu) {
    boolean npt = vcpu.control().nested().format == NestedPaging.Format.NPT;
    return npt ? address -> 0 : vcpu.domain().memory();
  }

  /** Gives a register a value without the instruction's checks; answers whether that was asked. */
  private static boolean restores(Registers guest, Kind kind, long operand, long second) {
    switch (kind) {
      case LOAD_CR0 -> guest.cr0 = operand;
      case LOAD_CR3 -> guest.cr3 = operand & ~Cr3.NO_FLUSH;
      case LOAD_CR4 -> guest.cr4 = operand;
      case LOAD_EFER -> guest.efer = operand;
      case LOAD_PKRU -> guest.pkru = (int) operand;
      case LOAD_PDPTE -> guest.pdptes[(int) second & Registers.PDPTES - 1] = operand;
      default -> {
        return false;
      }
    }
    return true;
  }

  private static boolean keepsCached(Registers guest, long operand) {
    return (guest.cr4 & Cr4.PCIDE) != 0 && (operand & Cr3.NO_FLUSH) != 0;
  }
}
