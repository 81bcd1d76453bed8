// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.RULES_CHANGED;
import static dev.quire.api.hw.ControlRegisterUnit.UNDEFINED;
import static dev.quire.api.hw.Operation.Kind.WRMSR_PKRS;
import static dev.quire.api.hw.Operation.Kind.WRPKRU;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class KeyRightsWriteTest {
  @Test
  void wrpkruDoesNotExistUntilKeysAreEnabled() {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.write(WRPKRU, 5)).isEqualTo(UNDEFINED);
    assertThat(cpu.registers.pkru).isZero();
  }

  @Test
  void wrpkruTakesThirtyTwoBitsAndTellsOfAChangeOnly() {
    RegisterWrites cpu = intel().inLongMode();
    cpu.registers.cr4 |= Cr4.PKE;
    assertThat(cpu.accepts(WRPKRU, 0xfffffffcL)).isEqualTo(RULES_CHANGED);
    assertThat(cpu.registers.pkru).isEqualTo(-4);
    assertThat(cpu.accepts(WRPKRU, -4L)).isZero();
  }

  @Test
  void pkrsCanBeWrittenBeforeItsKeysAreEnabled() {
    RegisterWrites cpu = intel();
    assertThat(cpu.accepts(WRMSR_PKRS, 0xc0000000L)).isEqualTo(RULES_CHANGED);
    assertThat(cpu.registers.pkrs).isEqualTo(0xc0000000);
    assertThat(cpu.registers.pkru).isZero();
    assertThat(cpu.accepts(WRMSR_PKRS, 0xc0000000L)).isZero();
  }

  @Test
  void theUpperHalfOfPkrsIsReserved() {
    for (int bit = 32; bit < 64; bit++) {
      intel().refuses(RegisterRule.PKRS_RESERVED, WRMSR_PKRS, 1L << bit);
    }
  }

  @Test
  void aCpuWithoutSupervisorKeysHasNoPkrs() {
    RegisterWrites cpu = new RegisterWrites(RegisterWrites.without(Vendor.INTEL, Feature.PKS));
    cpu.refuses(RegisterRule.PKRS_ABSENT, WRMSR_PKRS, 0);
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"MOV_CR0", "MOV_CR3", "MOV_CR4", "WRMSR_EFER", "WRPKRU", "WRMSR_PKRS"})
  void onlyWritesByTheRulesAreTaken(Kind kind) {
    assertThatThrownBy(() -> intel().write(kind, 0)).isInstanceOf(IllegalArgumentException.class);
  }
}
