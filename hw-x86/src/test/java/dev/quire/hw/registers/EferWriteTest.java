// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.registers;

import static dev.quire.api.hw.ControlRegisterUnit.FLUSH_ALL;
import static dev.quire.api.hw.ControlRegisterUnit.RULES_CHANGED;
import static dev.quire.api.hw.Operation.Kind.WRMSR_EFER;
import static dev.quire.hw.registers.RegisterWrites.amd;
import static dev.quire.hw.registers.RegisterWrites.intel;
import static dev.quire.hw.registers.RegisterWrites.without;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Efer;
import org.junit.jupiter.api.Test;

class EferWriteTest {
  @Test
  void reservedBitsAreRefusedInEveryModeInAllSixtyFourBits() {
    long intels = Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE;
    long amds = intels | Efer.SVME | 1L << 14;
    for (int bit = 0; bit < 64; bit++) {
      check(intel(), intels, bit);
      check(amd(), amds, bit);
    }
  }

  private static void check(RegisterWrites cpu, long defined, int bit) {
    if ((defined >>> bit & 1) != 0) {
      cpu.accepts(WRMSR_EFER, 1L << bit);
    } else {
      cpu.refuses(RegisterRule.EFER_RESERVED, WRMSR_EFER, 1L << bit);
    }
  }

  @Test
  void lmeNeedsLongModeAndNxeNeedsNx() {
    RegisterWrites narrow = new RegisterWrites(without(Vendor.INTEL, Feature.LONG_MODE));
    narrow.refuses(RegisterRule.EFER_RESERVED, WRMSR_EFER, Efer.LME);
    narrow.refuses(RegisterRule.EFER_RESERVED, WRMSR_EFER, Efer.SCE);
    narrow.accepts(WRMSR_EFER, Efer.NXE);
    RegisterWrites executable = new RegisterWrites(without(Vendor.INTEL, Feature.NX));
    executable.refuses(RegisterRule.EFER_RESERVED, WRMSR_EFER, Efer.NXE);
    executable.accepts(WRMSR_EFER, Efer.LME | Efer.SCE);
  }

  @Test
  void aCpuWithNeitherHasNoEferUnlessAmdMadeIt() {
    Feature[] absent = {Feature.LONG_MODE, Feature.NX};
    RegisterWrites cpu = new RegisterWrites(without(Vendor.INTEL, absent));
    cpu.refuses(RegisterRule.EFER_ABSENT, WRMSR_EFER, 0);
    new RegisterWrites(without(Vendor.AMD, absent)).accepts(WRMSR_EFER, Efer.SCE);
  }

  @Test
  void lmeCannotChangeWithPagingOn() {
    RegisterWrites active = intel().inLongMode();
    active.refuses(RegisterRule.LONG_MODE_SETTLED_BEFORE_PAGING, WRMSR_EFER, 0);
    active.accepts(WRMSR_EFER, Efer.LME);
    RegisterWrites pae = intel().inPaeMode();
    pae.refuses(RegisterRule.LONG_MODE_SETTLED_BEFORE_PAGING, WRMSR_EFER, Efer.LME);
    RegisterWrites off = intel();
    assertThat(off.accepts(WRMSR_EFER, Efer.LME)).isZero();
    assertThat(off.registers.efer).isEqualTo(Efer.LME);
  }

  @Test
  void lmaIsKeptWhateverTheOperandSays() {
    RegisterWrites active = intel().inLongMode();
    active.accepts(WRMSR_EFER, Efer.LME);
    assertThat(active.registers.efer).isEqualTo(Efer.LME | Efer.LMA);
    RegisterWrites off = intel();
    off.accepts(WRMSR_EFER, Efer.LMA | Efer.SCE);
    assertThat(off.registers.efer).isEqualTo(Efer.SCE);
  }

  @Test
  void changingNxeChangesTheRulesAndFlushesAll() {
    RegisterWrites cpu = intel().inLongMode();
    assertThat(cpu.accepts(WRMSR_EFER, Efer.LME | Efer.NXE)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
    assertThat(cpu.accepts(WRMSR_EFER, Efer.LME | Efer.NXE | Efer.SCE)).isZero();
    assertThat(cpu.accepts(WRMSR_EFER, Efer.LME)).isEqualTo(FLUSH_ALL | RULES_CHANGED);
  }
}
