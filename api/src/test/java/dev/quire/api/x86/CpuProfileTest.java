// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CpuProfileTest {
  @Test
  void physicalAddressesHave32To52Bits() {
    assertThat(CpuProfile.full(Vendor.AMD, 32).addressesBeyond()).isEqualTo(0x000f_ffff_0000_0000L);
    assertThat(CpuProfile.full(Vendor.AMD, 40).addressesBeyond()).isEqualTo(0x000f_ff00_0000_0000L);
    assertThat(CpuProfile.full(Vendor.AMD, 52).addressesBeyond()).isZero();
    for (int bits : new int[] {31, 53}) {
      assertThatThrownBy(() -> CpuProfile.full(Vendor.INTEL, bits))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("MAXPHYADDR " + bits + " is not within 32..52");
    }
  }

  @Test
  void aCpuHasTheFeaturesItWasGivenAndKeepsThem() {
    Set<Feature> features = EnumSet.of(Feature.NX, Feature.PAE);
    CpuProfile cpu = new CpuProfile(Vendor.INTEL, 36, features);
    features.add(Feature.SMEP);
    assertThat(cpu.has(Feature.NX)).isTrue();
    assertThat(cpu.has(Feature.SMEP)).isFalse();
  }

  @Test
  void realCpusHaveWhatTheirMakerMakes() {
    assertThat(CpuProfile.full(Vendor.INTEL, 36).features())
        .contains(Feature.LA57, Feature.EPT)
        .doesNotContain(Feature.NPT, Feature.SWITCHING_BIT, Feature.BOTH_VENDORS);
    assertThat(CpuProfile.full(Vendor.AMD, 36).features())
        .contains(Feature.LA57, Feature.NPT)
        .doesNotContain(Feature.EPT, Feature.SWITCHING_BIT, Feature.BOTH_VENDORS);
    assertThatThrownBy(() -> new CpuProfile(Vendor.AMD, 36, Set.of(Feature.EPT)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a CPU by AMD cannot have EPT");
  }

  @Test
  void modelOfBothMakersHasTheNestedPagingOfEither() {
    assertThat(new CpuProfile(Vendor.AMD, 36, CpuProfile.allOfBoth()).features())
        .contains(Feature.NPT, Feature.EPT, Feature.PML)
        .doesNotContain(Feature.SWITCHING_BIT);
  }
}
