// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import org.junit.jupiter.api.Test;

class PagingContextTest {
  private static final CpuProfile CPU = CpuProfile.full(Vendor.INTEL, 40);

  private final PagingContext context = new PagingContext(CPU);
  private final Registers registers = new Registers();

  private PagingFormat format() {
    PagingRules rules = context.rules();
    assertThat(rules).isNotNull();
    return rules.format();
  }

  @Test
  void withPagingOffThereAreNoRules() {
    context.load(registers);
    assertThat(context.rules()).isNull();
    assertThat(context.root()).isZero();
  }

  @Test
  void theRootIsWhatTheFormatTakesOfCr3() {
    registers.cr3 = 0xf_ffff_ffff_ffffL;
    registers.cr0 = Cr0.PG;
    context.load(registers);
    assertThat(format()).isEqualTo(PagingFormat.TWO_LEVEL);
    assertThat(context.root()).isEqualTo(0xfffff000L);
    registers.cr4 = Cr4.PAE;
    context.load(registers);
    assertThat(format()).isEqualTo(PagingFormat.PAE);
    assertThat(context.root()).isEqualTo(0xffffffe0L);
    registers.efer = Efer.LMA;
    context.load(registers);
    assertThat(format()).isEqualTo(PagingFormat.FOUR_LEVEL);
    assertThat(context.root()).isEqualTo(0xfffffff000L); // MAXPHYADDR 40
    registers.cr4 |= Cr4.LA57;
    context.load(registers);
    assertThat(format()).isEqualTo(PagingFormat.FIVE_LEVEL);
  }

  @Test
  void thePcidCountsWithItsControlBitOnly() {
    registers.cr3 = 0x5123;
    context.load(registers);
    assertThat(context.pcid()).isZero();
    registers.cr4 = Cr4.PCIDE;
    context.load(registers);
    assertThat(context.pcid()).isEqualTo(0x123);
  }

  @Test
  void rulesAreMadeAnewWhenABitOfTheirsChangesAndNotOtherwise() {
    registers.cr0 = Cr0.PG;
    registers.efer = Efer.LMA;
    context.load(registers);
    PagingRules before = context.rules();
    registers.cr0 |= Cr0.TS;
    registers.cr3 = 0x7000;
    registers.efer |= Efer.SCE;
    registers.cr4 |= Cr4.VMXE;
    context.load(registers);
    assertThat(context.rules()).isSameAs(before);
    registers.cr0 |= Cr0.WP;
    expectNewRules();
    registers.efer |= Efer.NXE;
    expectNewRules();
    for (long bit : new long[] {Cr4.PSE, Cr4.PGE, Cr4.SMEP, Cr4.SMAP, Cr4.PKE, Cr4.PKS}) {
      registers.cr4 |= bit;
      expectNewRules();
    }
  }

  private void expectNewRules() {
    PagingRules before = context.rules();
    context.load(registers);
    assertThat(context.rules()).isNotSameAs(before);
  }

  @Test
  void keysAndPdptesAreTaken() {
    registers.pkru = 5;
    registers.pkrs = 6;
    registers.pdptes[2] = 0x9001;
    context.load(registers);
    assertThat(context.pkru()).isEqualTo(5);
    assertThat(context.pkrs()).isEqualTo(6);
    assertThat(context.pdptes()).containsExactly(0, 0, 0x9001, 0);
  }

  @Test
  void rulesThatWereSetDirectlyGiveWayToThoseOfRegisters() {
    registers.cr0 = Cr0.PG | Cr0.WP;
    PagingFormat small = PagingFormat.FOUR_LEVEL.withIndexBits(2);
    context.set(new PagingRules(small, CPU, 0, 0, 0), 0x3000);
    assertThat(format()).isEqualTo(small);
    assertThat(context.root()).isEqualTo(0x3000);
    context.load(registers);
    assertThat(format()).isEqualTo(PagingFormat.TWO_LEVEL);
    context.set(new PagingRules(small, CPU, 0, 0, 0), 0x3000);
    context.load(new Registers());
    assertThat(context.rules()).isNull();
  }

  @Test
  void aCopyIsTheSameAndGoesItsOwnWay() {
    registers.cr0 = Cr0.PG;
    registers.cr3 = 0x5000;
    registers.pkru = 1;
    registers.pkrs = 2;
    registers.pdptes[1] = 3;
    registers.cr4 = Cr4.PCIDE;
    registers.cr3 |= 7;
    context.load(registers);
    PagingContext copy = new PagingContext(context);
    assertThat(copy).usingRecursiveComparison().isEqualTo(context);
    registers.pdptes[1] = 4;
    context.load(registers);
    assertThat(copy.pdptes()[1]).isEqualTo(3);
    PagingRules rules = copy.rules();
    copy.load(registers);
    assertThat(copy.rules()).isSameAs(rules);
  }
}
