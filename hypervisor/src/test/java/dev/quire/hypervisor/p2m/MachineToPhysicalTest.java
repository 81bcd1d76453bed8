// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class MachineToPhysicalTest {
  private final MachineToPhysical m2p = new MachineToPhysical(1L << 28);

  @Test
  void framesAreNobodysUntilTheyAreGiven() {
    assertThat(m2p.owner(5)).isEqualTo(MachineToPhysical.NOBODY);
    assertThat(m2p.owner(1L << 40)).isEqualTo(MachineToPhysical.NOBODY);
    m2p.give(5, 2, 0);
    m2p.give(1L << 27, 1, MachineToPhysical.LAST_DOMAIN);
    assertThat(m2p.owner(5)).isZero();
    assertThat(m2p.owner(7)).isEqualTo(MachineToPhysical.NOBODY);
    assertThat(m2p.owner(1L << 27)).isEqualTo(MachineToPhysical.LAST_DOMAIN);
    assertThat(m2p.gfn(5)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    m2p.setGfn(5, MachineToPhysical.NOT_MAPPED - 2);
    assertThat(m2p.gfn(5)).isEqualTo(MachineToPhysical.NOT_MAPPED - 2);
    assertThat(m2p.owner(5)).isZero();
    m2p.take(5, 2);
    assertThat(m2p.owner(5)).isEqualTo(MachineToPhysical.NOBODY);
  }

  @Test
  void nobodyIsGivenWhatAnotherHas() {
    m2p.give(5, 1, 3);
    m2p.setTable(6, 3);
    assertThatThrownBy(() -> m2p.give(5, 1, 4)).hasMessageContaining("domain 3's already");
    assertThatThrownBy(() -> m2p.give(6, 1, 3)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> m2p.setTable(5, 3)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> m2p.give(9, 1, 0xffff)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void tablesAreNoGuestMemory() {
    m2p.setTable(6, 3);
    assertThat(m2p.owner(6)).isEqualTo(MachineToPhysical.NOBODY);
    assertThat(m2p.isTable(6, 3)).isTrue();
    assertThat(m2p.isTable(6, 4)).isFalse();
    assertThat(m2p.tables(3)).isEqualTo(1);
    assertThat(m2p.takeReference(6)).isFalse();
    assertThatThrownBy(() -> m2p.setGfn(6, 1)).hasMessageContaining("nobody's memory");
    assertThatThrownBy(() -> m2p.setGfn(7, 1)).hasMessageContaining("nobody's memory");
    m2p.clearTable(6);
    assertThat(m2p.tables(3)).isZero();
  }

  @Test
  void referencesAreCounted() {
    m2p.give(5, 1, 3);
    assertThat(m2p.takeReference(5)).isTrue();
    assertThat(m2p.takeReference(5)).isTrue();
    m2p.putReference(5);
    assertThat(m2p.references(5)).isEqualTo(1);
    m2p.putReference(5);
    assertThat(m2p.references(5)).isZero();
    assertThatThrownBy(() -> m2p.putReference(5)).hasMessageContaining("nobody refers");
  }
}
