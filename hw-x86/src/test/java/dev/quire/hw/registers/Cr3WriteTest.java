// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.FLUSH_NON_GLOBAL;
import static dev.quire.api.hw.ControlRegisterUnit.FLUSH_PCID;
import static dev.quire.api.hw.Operation.Kind.MOV_CR3;
import static dev.quire.hw.registers.RegisterWrites.PHYSICAL_BITS;
import static dev.quire.hw.registers.RegisterWrites.amd;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import org.junit.jupiter.api.Test;

class Cr3WriteTest {
  private static RegisterWrites withPcids() {
    RegisterWrites cpu = intel().inLongMode();
    cpu.registers.cr4 |= Cr4.PCIDE;
    return cpu;
  }

  @Test
  void bitsAbovePhysicalMemoryAreReservedInLongMode() {
    for (int bit = 12; bit < 64; bit++) {
      for (RegisterWrites cpu : new RegisterWrites[] {intel().inLongMode(), amd().inLongMode()}) {
        if (bit < PHYSICAL_BITS) {
          cpu.accepts(MOV_CR3, 1L << bit);
          assertThat(cpu.registers.cr3).isEqualTo(1L << bit);
        } else {
          cpu.refuses(RegisterRule.CR3_RESERVED, MOV_CR3, 1L << bit);
        }
      }
    }
  }

  @Test
  void theWidestPhysicalAddressLeavesTwelveReservedBits() {
    RegisterWrites cpu = new RegisterWrites(CpuProfile.full(Vendor.INTEL, 52)).inLongMode();
    cpu.accepts(MOV_CR3, 1L << 51);
    cpu.refuses(RegisterRule.CR3_RESERVED, MOV_CR3, 1L << 52);
  }

  @Test
  void outsideLongModeOnlyTheLowerHalfExists() {
    for (RegisterWrites cpu : new RegisterWrites[] {intel(), intel().inTwoLevelMode()}) {
      assertThat(cpu.accepts(MOV_CR3, Cr3.NO_FLUSH | 1L << 50 | 0x12345000L))
          .isEqualTo(FLUSH_NON_GLOBAL);
      assertThat(cpu.registers.cr3).isEqualTo(0x12345000L);
    }
    RegisterWrites pae = intel().inPaeMode();
    pae.tableAt = 0x12345020L;
    pae.accepts(MOV_CR3, 1L << 39 | 0x12345020L);
    assertThat(pae.registers.cr3).isEqualTo(0x12345020L);
  }

  @Test
  void withoutPcidsEveryEntryThatIsNotGlobalGoes() {
    assertThat(intel().inLongMode().accepts(MOV_CR3, 0x1000)).isEqualTo(FLUSH_NON_GLOBAL);
    assertThat(intel().inPaeMode().accepts(MOV_CR3, 0)).isEqualTo(FLUSH_NON_GLOBAL);
  }

  @Test
  void withPcidsTheEntriesOfTheNewPcidGo() {
    RegisterWrites cpu = withPcids();
    assertThat(cpu.accepts(MOV_CR3, 0x1007)).isEqualTo(FLUSH_PCID);
    assertThat(cpu.registers.cr3).isEqualTo(0x1007);
  }

  @Test
  void withPcidsBit63KeepsTheEntriesAndIsNotStored() {
    RegisterWrites cpu = withPcids();
    assertThat(cpu.accepts(MOV_CR3, Cr3.NO_FLUSH | 0x1007)).isZero();
    assertThat(cpu.registers.cr3).isEqualTo(0x1007);
    cpu.refuses(RegisterRule.CR3_RESERVED, MOV_CR3, Cr3.NO_FLUSH | 1L << 62);
    cpu.refuses(RegisterRule.CR3_RESERVED, MOV_CR3, 1L << PHYSICAL_BITS);
  }

  @Test
  void lowBitsOtherThanAPcidAreKeptAsWritten() {
    RegisterWrites cpu = intel().inTwoLevelMode();
    cpu.accepts(MOV_CR3, 0x1018);
    assertThat(cpu.registers.cr3).isEqualTo(0x1018);
  }
}
