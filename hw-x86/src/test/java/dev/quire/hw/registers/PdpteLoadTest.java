// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.RULES_CHANGED;
import static dev.quire.api.hw.Operation.Kind.MOV_CR0;
import static dev.quire.api.hw.Operation.Kind.MOV_CR3;
import static dev.quire.api.hw.Operation.Kind.MOV_CR4;
import static dev.quire.hw.registers.RegisterWrites.PAGED;
import static dev.quire.hw.registers.RegisterWrites.PHYSICAL_BITS;
import static dev.quire.hw.registers.RegisterWrites.PROTECTED;
import static dev.quire.hw.registers.RegisterWrites.amd;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** When the PDPTE registers are loaded, from where, and what that refuses (SDM vol. 3, 4.4.1). */
class PdpteLoadTest {
  private static final long TABLE = 0x7fe0L;
  private static final long[] ENTRIES = {0x1001, 0, 0x3001, 0x4001};

  private static RegisterWrites withTable(RegisterWrites cpu) {
    cpu.tableAt = TABLE;
    cpu.registers.cr3 = TABLE;
    System.arraycopy(ENTRIES, 0, cpu.table, 0, 4);
    return cpu;
  }

  @Test
  void movToCr3LoadsThemFromTheNewTable() {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.registers.cr3 = 0;
    cpu.accepts(MOV_CR3, TABLE | 0x1f);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
    assertThat(cpu.pdpteLoads).isEqualTo(4);
    assertThat(cpu.registers.cr3).isEqualTo(TABLE | 0x1f);
  }

  @Test
  void noOtherModeLoadsThem() {
    for (RegisterWrites cpu :
        new RegisterWrites[] {intel(), intel().inTwoLevelMode(), intel().inLongMode()}) {
      withTable(cpu).accepts(MOV_CR3, TABLE);
      cpu.accepts(MOV_CR0, cpu.registers.cr0 | Cr0.CD);
      cpu.accepts(MOV_CR4, cpu.registers.cr4 | Cr4.PGE);
      assertThat(cpu.pdpteLoads).isZero();
      assertThat(cpu.registers.pdptes).containsOnly(0);
    }
    RegisterWrites off = withTable(intel());
    off.registers.cr4 = Cr4.PAE;
    off.accepts(MOV_CR3, TABLE);
    assertThat(off.pdpteLoads).isZero();
  }

  @Test
  void theyStayLatchedUntilTheNextLoad() {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.accepts(MOV_CR3, TABLE);
    cpu.table[0] = 0x9001;
    cpu.accepts(MOV_CR0, PAGED | Cr0.WP | Cr0.TS);
    cpu.accepts(MOV_CR4, Cr4.PAE | Cr4.SMAP);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
  }

  @Test
  void enablingPagingLoadsThem() {
    for (RegisterWrites cpu : new RegisterWrites[] {withTable(intel()), withTable(amd())}) {
      cpu.registers.cr4 = Cr4.PAE;
      cpu.accepts(MOV_CR0, PAGED);
      assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
    }
  }

  @Test
  void disablingPagingDoesNot() {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.accepts(MOV_CR0, PROTECTED);
    assertThat(cpu.pdpteLoads).isZero();
  }

  @ParameterizedTest
  @ValueSource(longs = {Cr0.CD, Cr0.CD | Cr0.NW})
  void theCacheBitsOfCr0LoadThemOnIntelOnly(long bits) {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    assertThat(cpu.accepts(MOV_CR0, PAGED | bits)).isEqualTo(RULES_CHANGED);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
    RegisterWrites other = withTable(amd().inPaeMode());
    assertThat(other.accepts(MOV_CR0, PAGED | bits)).isZero();
    assertThat(other.pdpteLoads).isZero();
  }

  @Test
  void changingNwAloneLoadsThem() {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.registers.cr0 |= Cr0.CD;
    cpu.accepts(MOV_CR0, PAGED | Cr0.CD | Cr0.NW);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
  }

  @ParameterizedTest
  @ValueSource(longs = {Cr4.PGE, Cr4.PSE, Cr4.SMEP})
  void theBitsOfCr4ThatLoadThemDoSoWhenSetAndWhenCleared(long bit) {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.accepts(MOV_CR4, Cr4.PAE | bit);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
    cpu.table[1] = 0x2001;
    cpu.accepts(MOV_CR4, Cr4.PAE);
    assertThat(cpu.registers.pdptes).containsExactly(0x1001, 0x2001, 0x3001, 0x4001);
    cpu.accepts(MOV_CR4, Cr4.PAE);
    assertThat(cpu.pdpteLoads).isEqualTo(8);
  }

  @Test
  void settingPaeUnderTwoLevelPagingLoadsThemAndClearingItDoesNot() {
    RegisterWrites cpu = withTable(intel().inTwoLevelMode());
    cpu.accepts(MOV_CR4, Cr4.PAE);
    assertThat(cpu.registers.pdptes).containsExactly(ENTRIES);
    cpu.accepts(MOV_CR4, 0);
    assertThat(cpu.pdpteLoads).isEqualTo(4);
  }

  @Test
  void aReservedBitInAPresentEntryRefusesTheLoadWhateverLoadsIt() {
    long physical = (1L << PHYSICAL_BITS) - 0x1000;
    long defined = physical | 0x1 | 0x18 | 0xe00; // P, PWT, PCD, ignored
    for (int bit = 1; bit < 64; bit++) {
      for (int entry = 0; entry < 4; entry++) {
        RegisterWrites cpu = withTable(intel().inPaeMode());
        cpu.table[entry] = 1L << bit | 1;
        if ((defined >>> bit & 1) != 0) {
          cpu.accepts(MOV_CR3, TABLE);
          continue;
        }
        cpu.refuses(MOV_CR3, TABLE);
        cpu.refuses(MOV_CR4, Cr4.PAE | Cr4.PGE);
        cpu.refuses(MOV_CR0, PAGED | Cr0.CD);
        cpu.registers.cr0 = PROTECTED;
        cpu.refuses(MOV_CR0, PAGED);
      }
    }
  }

  @Test
  void reservedBitsOfAnEntryThatIsNotPresentAreLoadedWithIt() {
    RegisterWrites cpu = withTable(intel().inPaeMode());
    cpu.table[2] = -2;
    cpu.accepts(MOV_CR3, TABLE);
    assertThat(cpu.registers.pdptes[2]).isEqualTo(-2);
  }
}
