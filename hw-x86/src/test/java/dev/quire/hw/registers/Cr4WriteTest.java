// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.FLUSH_ALL;
import static dev.quire.api.hw.ControlRegisterUnit.RULES_CHANGED;
import static dev.quire.api.hw.Operation.Kind.MOV_CR4;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr4;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Cr4WriteTest {
  private static final long NO_PART_IN_PAGING = 0x50f4fL;

  @ParameterizedTest
  @CsvSource({
    "PSE, 4",
    "PAE, 5",
    "PGE, 7",
    "LA57, 12",
    "PCID, 17",
    "SMEP, 20",
    "SMAP, 21",
    "PKU, 22",
    "PKS, 24"
  })
  void aBitIsReservedWithoutItsFeature(Feature feature, int bit) {
    long others = Cr4.PAE & ~(1L << bit);
    RegisterWrites lacking = new RegisterWrites(RegisterWrites.without(Vendor.INTEL, feature));
    RegisterWrites having = new RegisterWrites(new CpuProfile(Vendor.INTEL, 40, Set.of(feature)));
    if (feature == Feature.PCID) { // needs long mode, which needs PAE
      lacking.inLongMode();
      having = intel().inLongMode();
    }
    lacking.refuses(RegisterRule.CR4_RESERVED, MOV_CR4, others | 1L << bit);
    having.accepts(MOV_CR4, 1L << bit | having.registers.cr4);
    assertThat(having.registers.cr4 & 1L << bit).isNotZero();
  }

  @Test
  void bitsThatTheModelDoesNotKnowAreReserved() {
    long known = NO_PART_IN_PAGING | 1L << 13 | 1L << 14 | Cr4.PAGING;
    for (int bit = 0; bit < 64; bit++) {
      if ((known >>> bit & 1) == 0) {
        intel().inLongMode().refuses(RegisterRule.CR4_RESERVED, MOV_CR4, Cr4.PAE | 1L << bit);
      }
    }
  }

  @Test
  void vmxAndSmxAreIntels() {
    for (long bit : new long[] {Cr4.VMXE, 1L << 14}) {
      assertThat(intel().accepts(MOV_CR4, bit)).isZero();
      RegisterWrites.amd().refuses(RegisterRule.CR4_RESERVED, MOV_CR4, bit);
    }
  }

  @Test
  void bitsWithoutAPartInPagingChangeNothingElse() {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.accepts(MOV_CR4, Cr4.PAE | NO_PART_IN_PAGING)).isZero();
    assertThat(cpu.registers.cr4).isEqualTo(Cr4.PAE | NO_PART_IN_PAGING);
  }

  @Test
  void outsideLongModeOnlyTheLowerHalfExists() {
    RegisterWrites cpu = intel();
    cpu.accepts(MOV_CR4, 1L << 40 | Cr4.PSE);
    assertThat(cpu.registers.cr4).isEqualTo(Cr4.PSE);
  }

  @Test
  void paeStaysInLongMode() {
    intel().inLongMode().refuses(RegisterRule.LONG_MODE_KEEPS_PAE, MOV_CR4, 0);
    intel().beforeLongMode().accepts(MOV_CR4, 0);
    intel().inPaeMode().accepts(MOV_CR4, 0);
  }

  @Test
  void la57CannotChangeInLongModeInEitherDirection() {
    RegisterWrites four = intel().inLongMode();
    four.refuses(RegisterRule.LONG_MODE_KEEPS_LA57, MOV_CR4, Cr4.PAE | Cr4.LA57);
    RegisterWrites five = intel().inLongMode();
    five.registers.cr4 |= Cr4.LA57;
    five.refuses(RegisterRule.LONG_MODE_KEEPS_LA57, MOV_CR4, Cr4.PAE);
    five.accepts(MOV_CR4, Cr4.PAE | Cr4.LA57 | Cr4.PGE);
    RegisterWrites before = intel().beforeLongMode();
    assertThat(before.accepts(MOV_CR4, Cr4.PAE | Cr4.LA57)).isEqualTo(RULES_CHANGED);
  }

  @Test
  void pcidsNeedLongMode() {
    long value = Cr4.PAE | Cr4.PCIDE;
    intel().refuses(RegisterRule.PCIDS_NEED_LONG_MODE, MOV_CR4, value);
    intel().beforeLongMode().refuses(RegisterRule.PCIDS_NEED_LONG_MODE, MOV_CR4, value);
    assertThat(intel().inLongMode().accepts(MOV_CR4, value)).isEqualTo(RULES_CHANGED);
  }

  @Test
  void pcidsBeginWithPcidZero() {
    for (int bit = 0; bit < 12; bit++) {
      RegisterWrites cpu = intel().inLongMode();
      cpu.registers.cr3 = 0x5000 | 1L << bit;
      cpu.refuses(RegisterRule.PCIDS_BEGIN_WITH_ZERO, MOV_CR4, Cr4.PAE | Cr4.PCIDE);
      cpu.accepts(MOV_CR4, Cr4.PAE | Cr4.PGE);
    }
    RegisterWrites on = intel().inLongMode();
    on.registers.cr4 |= Cr4.PCIDE;
    on.registers.cr3 = 0x5007;
    on.accepts(MOV_CR4, on.registers.cr4 | Cr4.PGE);
  }

  @ParameterizedTest
  @CsvSource({
    // bit, flushes when set, flushes when cleared
    "PSE,   4, true,  true",
    "PGE,   7, true,  true",
    "PCIDE, 17, false, true",
    "SMEP,  20, true,  false",
    "SMAP,  21, false, false",
    "PKE,   22, false, false",
    "PKS,   24, false, false"
  })
  void whatAChangeInLongModeFlushes(String name, int bit, boolean whenSet, boolean whenCleared) {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.accepts(MOV_CR4, Cr4.PAE | 1L << bit))
        .isEqualTo(RULES_CHANGED | (whenSet ? FLUSH_ALL : 0));
    assertThat(cpu.accepts(MOV_CR4, Cr4.PAE | 1L << bit)).as("%s unchanged", name).isZero();
    assertThat(cpu.accepts(MOV_CR4, Cr4.PAE))
        .isEqualTo(RULES_CHANGED | (whenCleared ? FLUSH_ALL : 0));
  }

  @Test
  void changingPaeFlushesAll() {
    RegisterWrites cpu = intel().inTwoLevelMode();
    assertThat(cpu.accepts(MOV_CR4, Cr4.PAE)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
    assertThat(cpu.accepts(MOV_CR4, 0)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
  }
}
