// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;

/**
 * Why a write to a control register raises #GP(0), whatever memory holds. One row for each rule;
 * the one about the content of PDPTEs is with their loading.
 *
 * <p>Not here, since the model has no code segments: PG may be set or cleared with LME = 1 whatever
 * CS.L says.
 */
enum RegisterRule {
  CR0_RESERVED(
      Kind.MOV_CR0, "SDM vol. 3, 2.5: CR0[63:32]", (unit, old, value) -> value >>> 32 != 0),
  PAGING_WITHOUT_PROTECTION(
      Kind.MOV_CR0,
      "SDM vol. 3, 2.5: CR0.PG",
      (unit, old, value) -> (value & (Cr0.PG | Cr0.PE)) == Cr0.PG),
  NOT_WRITE_THROUGH_WITH_CACHE(
      Kind.MOV_CR0,
      "SDM vol. 3, table 11-5: CD = 0 with NW = 1",
      (unit, old, value) -> (value & (Cr0.NW | Cr0.CD)) == Cr0.NW),
  LONG_MODE_NEEDS_PAE(
      Kind.MOV_CR0,
      "SDM vol. 3, 9.8.5: PG set with LME = 1 and PAE = 0",
      (unit, old, value) ->
          set(old.cr0, value, Cr0.PG) && (old.efer & Efer.LME) != 0 && (old.cr4 & Cr4.PAE) == 0),
  PCIDS_NEED_PAGING(
      Kind.MOV_CR0,
      "SDM vol. 3, 4.10.1: PG cleared with PCIDE = 1",
      (unit, old, value) -> cleared(old.cr0, value, Cr0.PG) && (old.cr4 & Cr4.PCIDE) != 0),

  CR3_RESERVED(
      Kind.MOV_CR3,
      "SDM vol. 3, 4.5: CR3[63:MAXPHYADDR]; bit 63: 4.10.4.1",
      (unit, old, value) -> {
        long flag = (old.cr4 & Cr4.PCIDE) != 0 ? Cr3.NO_FLUSH : 0;
        return (value & ~flag & unit.beyondPhysical()) != 0;
      }),

  CR4_RESERVED(
      Kind.MOV_CR4,
      "SDM vol. 3, 2.5: reserved bits of CR4",
      (unit, old, value) -> (value & ~unit.cr4Defined()) != 0),
  LONG_MODE_KEEPS_PAE(
      Kind.MOV_CR4,
      "SDM vol. 3, 9.8.5: PAE cleared with LMA = 1",
      (unit, old, value) -> isLong(old) && cleared(old.cr4, value, Cr4.PAE)),
  LONG_MODE_KEEPS_LA57(
      Kind.MOV_CR4,
      "SDM vol. 3, 4.1.2: LA57 changed with LMA = 1",
      (unit, old, value) -> isLong(old) && ((old.cr4 ^ value) & Cr4.LA57) != 0),
  PCIDS_NEED_LONG_MODE(
      Kind.MOV_CR4,
      "SDM vol. 3, 4.10.1: PCIDE set with LMA = 0",
      (unit, old, value) -> !isLong(old) && set(old.cr4, value, Cr4.PCIDE)),
  PCIDS_BEGIN_WITH_ZERO(
      Kind.MOV_CR4,
      "SDM vol. 3, 4.10.1: PCIDE set with CR3[11:0] not 0",
      (unit, old, value) -> (old.cr3 & Cr3.PCID) != 0 && set(old.cr4, value, Cr4.PCIDE)),

  EFER_ABSENT(
      Kind.WRMSR_EFER,
      "SDM vol. 4, table 2-2: IA32_EFER",
      (unit, old, value) -> unit.eferDefined() == 0),
  EFER_RESERVED(
      Kind.WRMSR_EFER,
      "SDM vol. 3, 2.2.1; APM vol. 2, 3.1.7: reserved bits of EFER",
      (unit, old, value) -> (value & ~(unit.eferDefined() | Efer.LMA)) != 0),
  LONG_MODE_SETTLED_BEFORE_PAGING(
      Kind.WRMSR_EFER,
      "SDM vol. 3, 4.1.2: LME changed with PG = 1",
      (unit, old, value) -> (old.cr0 & Cr0.PG) != 0 && ((old.efer ^ value) & Efer.LME) != 0),

  PKRS_ABSENT(
      Kind.WRMSR_PKRS, "SDM vol. 4, table 2-2: IA32_PKRS", (unit, old, value) -> !unit.hasPkrs()),
  PKRS_RESERVED(
      Kind.WRMSR_PKRS,
      "SDM vol. 3, 4.6.2: IA32_PKRS[63:32]",
      (unit, old, value) -> value >>> 32 != 0);

  /** Whether a rule refuses a write. */
  @FunctionalInterface
  private interface Check {
    boolean refuses(ControlRegisters unit, Registers old, long value);
  }

  private final Kind kind;
  private final String source;
  private final Check check;

  RegisterRule(Kind kind, String source, Check check) {
    this.kind = kind;
    this.source = source;
    this.check = check;
  }

  /** The write that the rule is about. */
  Kind kind() {
    return kind;
  }

  /** Where the rule stands. */
  String source() {
    return source;
  }

  /**
   * Whether the rule refuses a write.
   *
   * @param old the registers before
   * @param value the operand, as wide as the mode has it
   */
  boolean refuses(ControlRegisters unit, Registers old, long value) {
    return check.refuses(unit, old, value);
  }

  private static boolean isLong(Registers registers) {
    return (registers.efer & Efer.LMA) != 0;
  }

  private static boolean set(long before, long after, long bit) {
    return (~before & after & bit) != 0;
  }

  private static boolean cleared(long before, long after, long bit) {
    return (before & ~after & bit) != 0;
  }
}
