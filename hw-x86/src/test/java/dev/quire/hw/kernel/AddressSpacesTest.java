// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation.Kind;
import org.junit.jupiter.api.Test;

class AddressSpacesTest {
  private static final int MOST = 63;

  private final AddressSpaces spaces = new AddressSpaces();

  @Test
  void anAddressSpaceHasANumberOnceItIsAdmitted() {
    assertThat(spaces.find(7, 9)).isZero();
    assertThat(spaces.admit(7, 9)).isTrue();
    long space = spaces.find(7, 9);
    assertThat(space & Key.VPID).isNotZero();
    assertThat(space & Key.PCID).isNotZero();
    assertThat(spaces.vpid(space)).isEqualTo(7);
    assertThat(spaces.pcid(space)).isEqualTo(9);
    assertThat(spaces.findVpid(7)).isEqualTo(space & Key.VPID);
    assertThat(spaces.find(7, 8)).isZero();
    assertThat(spaces.find(8, 9)).isZero();
    assertThat(spaces.findVpid(8)).isZero();
  }

  @Test
  void everyPairOfKnownNumbersIsAnAddressSpaceOfItsOwn() {
    spaces.admit(1, 1);
    spaces.admit(2, 2);
    assertThat(
            new long[] {spaces.find(1, 1), spaces.find(1, 2), spaces.find(2, 1), spaces.find(2, 2)})
        .doesNotHaveDuplicates()
        .doesNotContain(0);
    assertThat(spaces.pcids()).isEqualTo(2);
  }

  @Test
  void aNewPcidTooManyBeginsTheNumbersAnew() {
    for (int pcid = 0; pcid < MOST; pcid++) {
      assertThat(spaces.admit(1, pcid)).isTrue();
    }
    assertThat(spaces.admit(1, MOST - 1)).isTrue();
    assertThat(spaces.admit(1, MOST)).isFalse();
    assertThat(spaces.find(1, MOST)).isNotZero();
    assertThat(spaces.find(1, 0)).isZero();
    assertThat(spaces.pcids()).isEqualTo(1);
  }

  @Test
  void aNewTagTooManyBeginsTheNumbersAnew() {
    for (int tag = 0; tag < MOST; tag++) {
      assertThat(spaces.admit(tag, 0)).isTrue();
    }
    assertThat(spaces.admit(0, 0)).isTrue();
    assertThat(spaces.admit(MOST, 0)).isFalse();
    assertThat(spaces.findVpid(MOST)).isNotZero();
    assertThat(spaces.findVpid(1)).isZero();
  }

  @Test
  void aCpuForgetsEverythingWhenNumbersBeginAnew() {
    PrimedCpu cpu = new PrimedCpu(PrimedCpu.WHOLE);
    for (int pcid = 3; pcid <= MOST; pcid++) {
      long cr3 = Long.MIN_VALUE | cpu.tables.root() | pcid;
      cpu.run(b -> b.control(Kind.MOV_CR3, cr3));
    }
    assertThat(cpu.live().tlb()).isNotEmpty();
    long cr3 = Long.MIN_VALUE | cpu.tables.root() | 100;
    cpu.run(b -> b.control(Kind.MOV_CR3, cr3));
    assertThat(cpu.live().tlb()).isEmpty();
    assertThat(cpu.live().structures()).isEmpty();
    cpu.tables.map(PrimedCpu.SMALL, 1, 0x500000, Tables.PLAIN);
    assertThat(cpu.reached(PrimedCpu.SMALL)).isEqualTo(0x500000);
    assertThat(cpu.live().tlb()).allMatch(e -> e.tag() == 1 && e.pcid() == 100);
    assertThat(cpu.cpu.counters.get(HwEvent.FLUSHES_ALL)).isZero(); // the host's, not the guest's
  }
}
