// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.FLUSH_ALL;
import static dev.quire.api.hw.ControlRegisterUnit.RULES_CHANGED;
import static dev.quire.api.hw.Operation.Kind.MOV_CR0;
import static dev.quire.hw.registers.RegisterWrites.PAGED;
import static dev.quire.hw.registers.RegisterWrites.PROTECTED;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import org.junit.jupiter.api.Test;

class Cr0WriteTest {
  @Test
  void pagingWithoutProtectionIsRefused() {
    intel().refuses(RegisterRule.PAGING_WITHOUT_PROTECTION, MOV_CR0, Cr0.PG);
    intel().inTwoLevelMode().refuses(RegisterRule.PAGING_WITHOUT_PROTECTION, MOV_CR0, Cr0.PG);
    intel().accepts(MOV_CR0, 0);
  }

  @Test
  void notWriteThroughIsRefusedUnlessTheCacheIsDisabled() {
    long value = PROTECTED | Cr0.NW;
    intel().refuses(RegisterRule.NOT_WRITE_THROUGH_WITH_CACHE, MOV_CR0, value);
    intel().accepts(MOV_CR0, value | Cr0.CD);
    intel().accepts(MOV_CR0, PROTECTED | Cr0.CD);
  }

  @Test
  void theUpperHalfIsReservedInLongModeAndDoesNotExistOutside() {
    RegisterWrites cpu = intel().inLongMode();
    for (int bit = 32; bit < 64; bit++) {
      cpu.refuses(RegisterRule.CR0_RESERVED, MOV_CR0, PAGED | 1L << bit);
    }
    RegisterWrites narrow = intel();
    narrow.accepts(MOV_CR0, PROTECTED | 1L << 40);
    assertThat(narrow.registers.cr0).isEqualTo(PROTECTED);
  }

  @Test
  void undefinedBitsOfTheLowerHalfAreIgnoredAndEtIsAlwaysOne() {
    RegisterWrites cpu = intel();
    cpu.accepts(MOV_CR0, 0xffffffffL & ~Cr0.PG);
    assertThat(cpu.registers.cr0).isEqualTo(0x6005003fL);
    cpu.accepts(MOV_CR0, 0);
    assertThat(cpu.registers.cr0).isEqualTo(Cr0.ET);
  }

  @Test
  void settingPgWithLmeEntersLongMode() {
    RegisterWrites cpu = intel().beforeLongMode();
    assertThat(cpu.accepts(MOV_CR0, PAGED)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
    assertThat(cpu.registers.efer).isEqualTo(Efer.LME | Efer.LMA);
    assertThat(cpu.pdpteLoads).isZero();
  }

  @Test
  void settingPgWithLmeButWithoutPaeIsRefused() {
    RegisterWrites cpu = intel();
    cpu.registers.efer = Efer.LME;
    cpu.refuses(RegisterRule.LONG_MODE_NEEDS_PAE, MOV_CR0, PAGED);
    cpu.accepts(MOV_CR0, PROTECTED | Cr0.WP);
  }

  @Test
  void settingPgWithoutLmeDoesNotEnterLongMode() {
    RegisterWrites cpu = intel();
    cpu.registers.cr4 = Cr4.PSE;
    assertThat(cpu.accepts(MOV_CR0, PAGED)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
    assertThat(cpu.registers.efer).isZero();
  }

  @Test
  void clearingPgLeavesLongModeAndFlushesAll() {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.accepts(MOV_CR0, PROTECTED)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
    assertThat(cpu.registers.efer).isEqualTo(Efer.LME);
    assertThat(cpu.registers.cr0).isEqualTo(PROTECTED);
  }

  @Test
  void clearingPgIsRefusedWhilePcidsAreEnabled() {
    RegisterWrites cpu = intel().inLongMode();
    cpu.registers.cr4 |= Cr4.PCIDE;
    cpu.refuses(RegisterRule.PCIDS_NEED_PAGING, MOV_CR0, PROTECTED);
    cpu.accepts(MOV_CR0, PAGED | Cr0.WP);
  }

  @Test
  void wpChangesTheRulesAndFlushesNothing() {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.accepts(MOV_CR0, PAGED | Cr0.WP)).isEqualTo(RULES_CHANGED);
    assertThat(cpu.registers.cr0).isEqualTo(PAGED | Cr0.WP);
    assertThat(cpu.registers.efer).isEqualTo(Efer.LME | Efer.LMA);
    assertThat(cpu.accepts(MOV_CR0, PAGED)).isEqualTo(RULES_CHANGED);
  }

  @Test
  void bitsWithoutAPartInPagingChangeNothingElse() {
    RegisterWrites cpu = intel().inLongMode();
    long others = Cr0.MP | Cr0.TS | Cr0.NE | Cr0.AM | 1L << 2 | Cr0.CD;
    assertThat(cpu.accepts(MOV_CR0, PAGED | others)).isZero();
    assertThat(cpu.registers.cr0).isEqualTo(PAGED | others);
  }
}
