// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.EptEntry;
import dev.quire.api.x86.PageEntry;
import dev.quire.hw.reference.Shape;
import java.util.EnumSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** A root in machine memory, one entry of which goes on in the guest's own tables. */
class SwitchingBitTest {
  private static final long SHADOWED = 0x7f0000001000L;
  private static final long NESTED = 0x1000001000L;
  private static final long DATA = 0x7000000;
  private static final long ROOT = 0x9_0000_0000L;
  private static final long FRAME = 0x9_1000_0000L;

  private static NestedGuest guest(@Nullable TlbGeometry tlb, EnumSet<Feature> features) {
    NestedGuest guest =
        new NestedGuest(
            new CpuProfile(Vendor.INTEL, 40, features), tlb, Shape.FOUR_LEVEL, Format.EPT, 4);
    guest.map(NESTED, 1, DATA, Tables.PLAIN);
    Tables shadow = new Tables(guest.cpu.memory, Shape.FOUR_LEVEL, ROOT);
    shadow.map(SHADOWED, 1, FRAME, Tables.PLAIN);
    shadow.put(NESTED, 4, guest.guest.get(NESTED, 4) | PageEntry.SWITCHES);
    guest.control.registers().cr3 = ROOT;
    guest.control.nested().switchingBit = true;
    return guest;
  }

  private static EnumSet<Feature> all() {
    EnumSet<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    features.add(Feature.SWITCHING_BIT);
    return features;
  }

  @Test
  void walkIsOneDimensionalUntilAMarkedEntry() {
    NestedGuest guest = guest(null, all());
    assertThat(guest.access(0, SHADOWED)).isEqualTo(ExitReason.DONE);
    assertThat(guest.block.reached()[0]).isEqualTo(FRAME);
    assertThat(guest.cpu.counters.references()).isEqualTo(4);
    guest.cpu.counters.reset();
    assertThat(guest.access(0, NESTED)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA);
    assertThat(guest.cpu.counters.references()).isEqualTo(1 + 3 * 5 + 4);
    assertThat(guest.cpu.counters.references(4, 1)).isZero();
  }

  @Test
  void nestedTablesRuleBelowTheMarkOnly() {
    NestedGuest guest = guest(null, all());
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    assertThat(guest.access(Access.WRITE, NESTED)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(DATA);
    assertThat(guest.access(Access.WRITE, SHADOWED)).isEqualTo(ExitReason.DONE);
  }

  /** The mark is in the root; entries below it are the guest's, where that bit is ignored. */
  @Test
  void cachedTablesKnowInWhichModeTheyWereReached() {
    NestedGuest guest = guest(PrimedCpu.WHOLE, all());
    for (int round = 0; round < 3; round++) {
      assertThat(guest.access(0, SHADOWED)).isEqualTo(ExitReason.DONE);
      assertThat(guest.block.reached()[0]).isEqualTo(FRAME);
      assertThat(guest.access(0, NESTED)).isEqualTo(ExitReason.DONE);
      assertThat(guest.reached()).isEqualTo(DATA);
      guest.cpu.cpu.invvpidAddress(1, round == 0 ? NESTED : SHADOWED);
    }
    guest.guest.put(NESTED + 4096, 1, DATA | Tables.PLAIN);
    Tables shadow = new Tables(guest.cpu.memory, Shape.FOUR_LEVEL, ROOT);
    shadow.put(SHADOWED + 4096, 1, FRAME | Tables.PLAIN);
    guest.access(0, SHADOWED);
    guest.cpu.counters.reset();
    assertThat(guest.access(0, SHADOWED + 4096)).isEqualTo(ExitReason.DONE); // by the PDE cache
    assertThat(guest.block.reached()[0]).isEqualTo(FRAME);
    assertThat(guest.cpu.counters.references()).isEqualTo(1);
    guest.access(0, NESTED);
    assertThat(guest.access(0, NESTED + 4096)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA);
  }

  @Test
  void noRealCpuHasIt() {
    assertThat(CpuProfile.full(Vendor.INTEL, 40).has(Feature.SWITCHING_BIT)).isFalse();
    NestedGuest guest = guest(null, CpuProfile.allOf(Vendor.INTEL));
    assertThatThrownBy(() -> guest.access(0, NESTED)).hasMessageContaining("a switching bit");
  }
}
