// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ControlRegisterUnit;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.registers.ControlRegisters;
import org.jspecify.annotations.Nullable;

/**
 * Register writes, invalidations, hypercalls. Which writes are legal is asked of the machine's own
 * register unit, which has tests of its own; what they flush is worked out here from the values
 * before and after (SDM vol. 3, 4.10.4.1).
 */
final class ReferenceControl {
  private final CpuProfile cpu;
  private final SlowMemory memory;
  private final Translator translator;
  private final long[] counters;
  private final ControlRegisterUnit legality;

  ReferenceControl(CpuProfile cpu, SlowMemory memory, Translator translator, long[] counters) {
    this.cpu = cpu;
    this.memory = memory;
    this.translator = translator;
    this.counters = counters;
    legality = new ControlRegisters(cpu);
  }

  @Nullable ExitReason execute(ControlBlock block, OperationBlock operations, int at) {
    long operand = operations.operands()[at];
    long second = operations.moreOperands()[at];
    Operation.Kind kind = Operation.kind(operations.operations()[at]);
    return switch (kind) {
      case HYPERCALL -> ExitReason.HYPERCALL;
      case INVLPG -> invlpg(block, operand);
      case INVPCID -> invpcid(block, (int) second, second >>> 32, operand);
      case MOV_CR0, MOV_CR3, MOV_CR4, WRMSR_EFER, WRPKRU, WRMSR_PKRS -> write(block, kind, operand);
      default -> load(block, kind, operand, (int) second);
    };
  }

  ExitReason raise(ControlBlock block, Fault fault) {
    block.exit(fault.vector(), fault.errorCode(), fault.linear(), 0);
    if (fault.vector() == Fault.GP) {
      count(HwEvent.GENERAL_PROTECTION);
    }
    if (fault.vector() != Fault.PF) {
      return ExitReason.FAULT;
    }
    count(HwEvent.PAGE_FAULTS);
    if (block.interceptsPageFault(fault.errorCode())) {
      return ExitReason.PAGE_FAULT;
    }
    block.registers().cr2 = fault.linear();
    return ExitReason.FAULT;
  }

  private void count(HwEvent event) {
    counters[event.ordinal()]++;
  }

  // ---- registers ----

  private @Nullable ExitReason write(ControlBlock block, Operation.Kind kind, long operand) {
    Registers registers = block.registers();
    if (exits(block, kind, operand)) {
      return ExitReason.REGISTER_WRITE;
    }
    long own =
        switch (kind) {
          case MOV_CR0 -> mixed(operand, registers.cr0, block.cr0Intercepts());
          case MOV_CR4 -> mixed(operand, registers.cr4, block.cr4Intercepts());
          default -> operand;
        };
    Registers before = new Registers();
    before.set(registers);
    int answer = legality.write(registers, kind, own, address -> memory.read(address, 8));
    if ((answer & ControlRegisterUnit.UNDEFINED) != 0) {
      return raise(block, new Fault(Fault.UD, 0, 0));
    }
    if ((answer & ControlRegisterUnit.GENERAL_PROTECTION) != 0) {
      return raise(block, new Fault(Fault.GP, 0, 0));
    }
    translator.enter(block);
    flush(kind, before, registers, operand);
    return null;
  }

  /** Bits that are intercepted stay as they are. */
  private static long mixed(long operand, long now, long intercepts) {
    return operand ^ (operand ^ now) & intercepts;
  }

  /** A write exits if it differs, in intercepted bits, from what the guest believes is there. */
  private static boolean exits(ControlBlock block, Operation.Kind kind, long operand) {
    return switch (kind) {
      case MOV_CR0 -> ((operand ^ block.cr0Shadow()) & block.cr0Intercepts()) != 0;
      case MOV_CR4 -> ((operand ^ block.cr4Shadow()) & block.cr4Intercepts()) != 0;
      case LOAD_CR0 -> block.cr0Intercepts() != 0;
      case LOAD_CR4 -> block.cr4Intercepts() != 0;
      case MOV_CR3, LOAD_CR3, LOAD_PDPTE -> block.cr3Intercepted();
      case WRMSR_EFER -> block.eferIntercepted();
      case LOAD_EFER -> block.eferIntercepted() || (block.cr0Intercepts() & Cr0.PG) != 0;
      default -> block.keysIntercepted();
    };
  }

  private void flush(Operation.Kind kind, Registers before, Registers after, long operand) {
    if (kind == Operation.Kind.MOV_CR3) {
      loadedCr3(after, operand);
      return;
    }
    long cr4 = before.cr4 ^ after.cr4;
    boolean all =
        ((before.cr0 ^ after.cr0) & Cr0.PG) != 0
            || (cr4 & (Cr4.PGE | Cr4.PAE | Cr4.PSE)) != 0
            || (cr4 & after.cr4 & Cr4.SMEP) != 0
            || (cr4 & before.cr4 & Cr4.PCIDE) != 0
            || ((before.efer ^ after.efer) & Efer.NXE) != 0;
    if (all) {
      count(HwEvent.FLUSHES_ALL);
      translator.dropCurrentTag();
    }
  }

  private void loadedCr3(Registers after, long operand) {
    count(HwEvent.CR3_LOADS);
    if ((after.cr4 & Cr4.PCIDE) == 0) {
      count(HwEvent.FLUSHES_NON_GLOBAL);
      translator.dropNonGlobal();
    } else if (operand < 0) {
      count(HwEvent.CR3_NO_FLUSH);
    } else {
      count(HwEvent.FLUSHES_PCID);
      translator.dropPcid(Translator.pcid(after));
    }
  }

  /** A value without checks; everything goes if the change touches what entries were made from. */
  private @Nullable ExitReason load(
      ControlBlock block, Operation.Kind kind, long operand, int index) {
    if (exits(block, kind, operand)) {
      return ExitReason.REGISTER_WRITE;
    }
    Registers registers = block.registers();
    Registers before = new Registers();
    before.set(registers);
    switch (kind) {
      case LOAD_CR0 -> registers.cr0 = operand;
      case LOAD_CR3 -> registers.cr3 = operand & Long.MAX_VALUE;
      case LOAD_CR4 -> registers.cr4 = operand;
      case LOAD_EFER -> registers.efer = operand;
      case LOAD_PKRU -> registers.pkru = (int) operand;
      case LOAD_PDPTE -> registers.pdptes[index & 3] = operand;
      default -> throw new AssertionError(kind);
    }
    translator.enter(block);
    boolean changed =
        ((before.cr0 ^ registers.cr0) & Cr0.PG) != 0
            || before.cr3 != registers.cr3
            || ((before.cr4 ^ registers.cr4) & Cr4.PAGING) != 0
            || ((before.efer ^ registers.efer) & (Efer.LMA | Efer.NXE)) != 0
            || !java.util.Arrays.equals(before.pdptes, registers.pdptes);
    if (changed) {
      count(HwEvent.FLUSHES_ALL);
      translator.dropCurrentTag();
    }
    return null;
  }

  // ---- invalidation ----

  private @Nullable ExitReason invlpg(ControlBlock block, long linear) {
    if (block.invalidationIntercepted()) {
      return ExitReason.INVLPG;
    }
    count(HwEvent.INVLPG);
    if (isCanonical(block.registers(), linear)) {
      count(HwEvent.FLUSHES_ADDRESS);
      long wrapped = Shape.wrap(block.registers(), linear);
      translator.dropPage(Translator.pcid(block.registers()), wrapped, true);
    }
    return null;
  }

  private static boolean isCanonical(Registers registers, long linear) {
    if (!Shape.isPaged(registers) || !Shape.of(registers).isLong()) {
      return true;
    }
    return Shape.of(registers).isCanonical(linear);
  }

  private @Nullable ExitReason invpcid(ControlBlock block, int type, long pcid, long linear) {
    if (!cpu.has(Feature.INVPCID)) {
      return raise(block, new Fault(Fault.UD, 0, 0));
    }
    if (block.invalidationIntercepted()) {
      return ExitReason.INVPCID;
    }
    boolean needsPcid = type == 0 || type == 1;
    boolean pcids = (block.registers().cr4 & Cr4.PCIDE) != 0;
    if (type < 0
        || type > 3
        || pcid > 0xfff
        || needsPcid && !pcids && pcid != 0
        || type == 0 && !isCanonical(block.registers(), linear)) {
      return raise(block, new Fault(Fault.GP, 0, 0));
    }
    count(HwEvent.INVPCID);
    invalidate(type, (int) pcid, Shape.wrap(block.registers(), linear));
    return null;
  }

  private void invalidate(int type, int pcid, long linear) {
    switch (type) {
      case 0 -> {
        count(HwEvent.FLUSHES_ADDRESS);
        translator.dropPage(pcid, linear, false);
      }
      case 1 -> {
        count(HwEvent.FLUSHES_PCID);
        translator.dropPcid(pcid);
      }
      case 2 -> {
        count(HwEvent.FLUSHES_ALL);
        translator.dropCurrentTag();
      }
      default -> {
        count(HwEvent.FLUSHES_NON_GLOBAL);
        translator.dropNonGlobal();
      }
    }
  }
}
