// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.GENERAL_PROTECTION;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import java.util.Arrays;
import java.util.Set;

/** A CPU's registers, the states that tests begin in, and what a refused write must leave alone. */
final class RegisterWrites {
  static final int PHYSICAL_BITS = 40;
  static final long PROTECTED = Cr0.PE | Cr0.ET;
  static final long PAGED = PROTECTED | Cr0.PG;

  final Registers registers = new Registers();

  /** Page-directory-pointer table: what memory holds from {@link #tableAt} on. */
  final long[] table = new long[4];

  long tableAt;
  int pdpteLoads;

  private final ControlRegisters unit;

  RegisterWrites(CpuProfile profile) {
    unit = new ControlRegisters(profile);
    registers.cr0 = PROTECTED;
  }

  static RegisterWrites intel() {
    return new RegisterWrites(CpuProfile.full(Vendor.INTEL, PHYSICAL_BITS));
  }

  static RegisterWrites amd() {
    return new RegisterWrites(CpuProfile.full(Vendor.AMD, PHYSICAL_BITS));
  }

  static CpuProfile without(Vendor vendor, Feature... absent) {
    Set<Feature> features = CpuProfile.allOf(vendor);
    features.removeAll(Arrays.asList(absent));
    return new CpuProfile(vendor, PHYSICAL_BITS, features);
  }

  /** Paging off, ready for long mode. */
  RegisterWrites beforeLongMode() {
    registers.cr4 = Cr4.PAE;
    registers.efer = Efer.LME;
    return this;
  }

  RegisterWrites inLongMode() {
    registers.cr0 = PAGED;
    registers.cr4 = Cr4.PAE;
    registers.efer = Efer.LME | Efer.LMA;
    return this;
  }

  RegisterWrites inPaeMode() {
    registers.cr0 = PAGED;
    registers.cr4 = Cr4.PAE;
    return this;
  }

  RegisterWrites inTwoLevelMode() {
    registers.cr0 = PAGED;
    return this;
  }

  int write(Kind kind, long operand) {
    return unit.write(
        registers,
        kind,
        operand,
        address -> {
          pdpteLoads++;
          long index = address - tableAt;
          assertThat(index).as("PDPTE at 0x%x", address).isBetween(0L, 24L);
          assertThat(index & 7).isZero();
          return table[(int) index >>> 3];
        });
  }

  /** Expects #GP(0), by one rule, with nothing changed. */
  void refuses(RegisterRule rule, Kind kind, long operand) {
    assertThat(unit.refusal(registers, kind, operand)).isEqualTo(rule);
    refuses(kind, operand);
  }

  /** Expects #GP(0) with nothing changed. */
  void refuses(Kind kind, long operand) {
    Registers before = new Registers();
    before.set(registers);
    assertThat(write(kind, operand)).isEqualTo(GENERAL_PROTECTION);
    assertThat(registers).usingRecursiveComparison().isEqualTo(before);
  }

  /** Expects the write to be done, and returns what it asks for. */
  int accepts(Kind kind, long operand) {
    int flags = write(kind, operand);
    assertThat(flags & GENERAL_PROTECTION).as("#GP").isZero();
    return flags;
  }
}
