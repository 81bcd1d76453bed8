// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.Vector;
import dev.quire.hw.memory.SparseMemory;
import org.jspecify.annotations.Nullable;

/** Operations other than accesses: register writes, invalidations, hypercalls, restores. */
final class ControlOperations {
  private static final int PDPTE_LEVEL = 3;

  private final CpuProfile profile;
  private final ControlRegisterUnit registerUnit;
  private final TranslationUnit translation;
  private final long[] counters;
  private final DataAccesses data;
  private final ControlRegisterUnit.PdpteSource pdptes;
  private final SparseMemory memory;

  /** Why a PDPTE could not be loaded through EPT; 0 if it could. */
  private long pdpteFault;

  ControlOperations(
      CpuProfile profile,
      SparseMemory memory,
      ControlRegisterUnit registerUnit,
      TranslationUnit translation,
      Counters counters,
      DataAccesses data) {
    this.profile = profile;
    this.registerUnit = registerUnit;
    this.translation = translation;
    this.counters = counters.values();
    this.data = data;
    this.pdptes = this::pdpte;
    this.memory = memory;
  }

  /**
   * Does the operation at an index and moves on, or answers why the CPU must come out before it.
   */
  @Nullable ExitReason execute(ControlBlock control, OperationBlock block, int at, X86Cpu cpu) {
    Operation.Kind kind = Operation.kind(block.operations()[at]);
    long operand = block.operands()[at];
    ExitReason exit =
        switch (kind) {
          case COMPARE_EXCHANGE -> compareExchange(control, block, at, cpu);
          case MOV_CR0, MOV_CR3, MOV_CR4, WRMSR_EFER, WRPKRU, WRMSR_PKRS ->
              write(control, kind, operand, cpu);
          case INVLPG -> invalidatePage(control, Addresses.gva(operand));
          case INVPCID -> invalidatePcid(control, block.moreOperands()[at], operand, cpu);
          case HYPERCALL -> ExitReason.HYPERCALL;
          case LOAD_CR0, LOAD_CR3, LOAD_CR4, LOAD_EFER, LOAD_PKRU, LOAD_PDPTE ->
              restore(control, kind, operand, block.moreOperands()[at]);
        };
    if (exit == null) {
      block.next(at + 1);
    }
    return exit;
  }

  private @Nullable ExitReason compareExchange(
      ControlBlock control, OperationBlock block, int at, X86Cpu cpu) {
    long fault = data.compareExchange(block, at);
    return fault == 0 ? null : cpu.raise(control, fault, data.faultLinear());
  }

  // ---- registers ----

  /**
   * A PDPTE for the registers: through EPT, as a read; NPT has no such registers, each walk reads
   * its own. One that EPT does not let be read is answered with what is refused whatever the CPU.
   */
  private long pdpte(long address) {
    NestedDimension nested = translation.nested();
    if (nested == null) {
      return memory.load(Addresses.maddr(address), 8);
    }
    if (!nested.rules().isEpt()) {
      return 0;
    }
    if (pdpteFault == 0) {
      long entry = nested.load(address, PDPTE_LEVEL);
      pdpteFault = nested.fault;
      return pdpteFault == 0 ? entry : -1;
    }
    return -1;
  }

  private @Nullable ExitReason write(
      ControlBlock control, Operation.Kind kind, long operand, X86Cpu cpu) {
    Registers registers = control.registers();
    if (isIntercepted(control, kind, operand)) {
      return ExitReason.REGISTER_WRITE;
    }
    pdpteFault = 0;
    int effects =
        registerUnit.write(registers, kind, unintercepted(control, kind, operand), pdptes);
    if ((effects & ControlRegisterUnit.UNDEFINED) != 0) {
      return cpu.raiseWithoutWalk(control, Vector.UD, 0, Addresses.gva(0));
    }
    if (pdpteFault != 0) {
      return cpu.raise(control, pdpteFault, Addresses.gva(0));
    }
    if ((effects & ControlRegisterUnit.GENERAL_PROTECTION) != 0) {
      return cpu.raiseWithoutWalk(control, Vector.GP, 0, Addresses.gva(0));
    }
    translation.load(control);
    if (kind == Operation.Kind.MOV_CR3) {
      count(HwEvent.CR3_LOADS);
      boolean kept = (registers.cr4 & Cr4.PCIDE) != 0 && (operand & Cr3.NO_FLUSH) != 0;
      counters[HwEvent.CR3_NO_FLUSH.ordinal()] += kept ? 1 : 0;
    }
    flush(effects);
    return null;
  }

  private void flush(int effects) {
    if ((effects & ControlRegisterUnit.FLUSH_ALL) != 0) {
      count(HwEvent.FLUSHES_ALL);
      translation.mappings().dropCurrentTag();
    } else if ((effects & ControlRegisterUnit.FLUSH_NON_GLOBAL) != 0) {
      count(HwEvent.FLUSHES_NON_GLOBAL);
      translation.mappings().dropNonGlobal();
    } else if ((effects & ControlRegisterUnit.FLUSH_PCID) != 0) {
      count(HwEvent.FLUSHES_PCID);
      translation.mappings().dropPcid(translation.paging().pcid());
    }
  }

  private static boolean isIntercepted(ControlBlock control, Operation.Kind kind, long operand) {
    return switch (kind) {
      case MOV_CR0 -> ((operand ^ control.cr0Shadow()) & control.cr0Intercepts()) != 0;
      case MOV_CR4 -> ((operand ^ control.cr4Shadow()) & control.cr4Intercepts()) != 0;
      case LOAD_CR0 -> control.cr0Intercepts() != 0;
      case LOAD_CR4 -> control.cr4Intercepts() != 0;
      case MOV_CR3, LOAD_CR3, LOAD_PDPTE -> control.cr3Intercepted();
      case WRMSR_EFER -> control.eferIntercepted();
      case LOAD_EFER -> // includes LMA, which follows PG
          control.eferIntercepted() || (control.cr0Intercepts() & Cr0.PG) != 0;
      default -> control.keysIntercepted();
    };
  }

  /** The operand of a write that does not exit, with intercepted bits as the hardware has them. */
  private static long unintercepted(ControlBlock control, Operation.Kind kind, long operand) {
    return switch (kind) {
      case MOV_CR0 -> merge(operand, control.registers().cr0, control.cr0Intercepts());
      case MOV_CR4 -> merge(operand, control.registers().cr4, control.cr4Intercepts());
      default -> operand;
    };
  }

  private static long merge(long operand, long hardware, long intercepts) {
    return operand & ~intercepts | hardware & intercepts;
  }

  /**
   * A value without the instruction's checks: SMM entry and exit, restore. What the change makes
   * untrue is flushed, globals too.
   */
  private @Nullable ExitReason restore(
      ControlBlock control, Operation.Kind kind, long operand, long second) {
    if (isIntercepted(control, kind, operand)) {
      return ExitReason.REGISTER_WRITE;
    }
    Registers registers = control.registers();
    long changed;
    switch (kind) {
      case LOAD_CR0 -> {
        changed = (registers.cr0 ^ operand) & Cr0.PG;
        registers.cr0 = operand;
      }
      case LOAD_CR3 -> {
        changed = registers.cr3 ^ operand & ~Cr3.NO_FLUSH;
        registers.cr3 = operand & ~Cr3.NO_FLUSH;
      }
      case LOAD_CR4 -> {
        changed = (registers.cr4 ^ operand) & Cr4.PAGING;
        registers.cr4 = operand;
      }
      case LOAD_EFER -> {
        changed = (registers.efer ^ operand) & (Efer.LMA | Efer.NXE);
        registers.efer = operand;
      }
      case LOAD_PKRU -> {
        changed = 0;
        registers.pkru = (int) operand;
      }
      default -> {
        int index = (int) second & Registers.PDPTES - 1;
        changed = registers.pdptes[index] ^ operand;
        registers.pdptes[index] = operand;
      }
    }
    translation.load(control);
    if (changed != 0) {
      count(HwEvent.FLUSHES_ALL);
      translation.mappings().dropCurrentTag();
    }
    return null;
  }

  // ---- invalidation ----

  private @Nullable ExitReason invalidatePage(ControlBlock control, @Gva long linear) {
    if (control.invalidationIntercepted()) {
      return ExitReason.INVLPG;
    }
    count(HwEvent.INVLPG);
    if (isAddress(control, linear)) { // otherwise INVLPG does nothing at all
      count(HwEvent.FLUSHES_ADDRESS);
      translation
          .mappings()
          .dropPage(translation.paging().pcid(), translation.wrapped(linear), true);
    }
    return null;
  }

  private @Nullable ExitReason invalidatePcid(
      ControlBlock control, long typeAndPcid, long address, X86Cpu cpu) {
    if (!profile.has(Feature.INVPCID)) {
      return cpu.raiseWithoutWalk(control, Vector.UD, 0, Addresses.gva(0));
    }
    if (control.invalidationIntercepted()) {
      return ExitReason.INVPCID;
    }
    @Gva long linear = Addresses.gva(address);
    long cr4 = control.registers().cr4;
    if (!Invalidation.isLegal(typeAndPcid, isAddress(control, linear), cr4)) {
      return cpu.raiseWithoutWalk(control, Vector.GP, 0, Addresses.gva(0));
    }
    count(HwEvent.INVPCID);
    int pcid = Invalidation.pcid(typeAndPcid);
    switch (Invalidation.type(typeAndPcid)) {
      case Invalidation.ADDRESS -> {
        count(HwEvent.FLUSHES_ADDRESS);
        translation.mappings().dropPage(pcid, translation.wrapped(linear), false);
      }
      case Invalidation.CONTEXT -> {
        count(HwEvent.FLUSHES_PCID);
        translation.mappings().dropPcid(pcid);
      }
      case Invalidation.ALL -> {
        count(HwEvent.FLUSHES_ALL);
        translation.mappings().dropCurrentTag();
      }
      default -> {
        count(HwEvent.FLUSHES_NON_GLOBAL);
        translation.mappings().dropNonGlobal();
      }
    }
    return null;
  }

  private static boolean isAddress(ControlBlock control, @Gva long linear) {
    Registers registers = control.registers();
    return Invalidation.isAddress(linear, registers.cr0, registers.cr4, registers.efer);
  }

  private void count(HwEvent event) {
    counters[event.ordinal()]++;
  }
}
