// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class InvalidationTest {
  private static boolean legal(int type, int pcid, boolean canonical, long cr4) {
    return Invalidation.isLegal(Invalidation.pack(type, pcid), canonical, cr4);
  }

  @Test
  void typesAndPcidsComeOutAsTheyWentIn() {
    long packed = Invalidation.pack(Invalidation.ALL_NON_GLOBAL, 0xabc);
    assertThat(Invalidation.type(packed)).isEqualTo(3);
    assertThat(Invalidation.pcid(packed)).isEqualTo(0xabc);
    assertThat(Invalidation.type(Invalidation.pack(-1, 0))).isEqualTo(-1);
  }

  @Test
  void thereAreFourTypes() {
    for (int type = 0; type < 4; type++) {
      assertThat(legal(type, 0, true, 0)).isTrue();
    }
    assertThat(legal(4, 0, true, 0)).isFalse();
    assertThat(legal(-1, 0, true, 0)).isFalse();
  }

  @Test
  void aPcidHasTwelveBitsInEveryType() {
    for (int type = 0; type < 4; type++) {
      assertThat(legal(type, 0xfff, true, Cr4.PCIDE)).isTrue();
      assertThat(legal(type, 0x1000, true, Cr4.PCIDE)).isFalse();
      assertThat(legal(type, -1, true, Cr4.PCIDE)).isFalse();
    }
  }

  @Test
  void withoutPcidsOnlyPcidZeroCanBeNamed() {
    assertThat(legal(Invalidation.ADDRESS, 1, true, 0)).isFalse();
    assertThat(legal(Invalidation.CONTEXT, 1, true, 0)).isFalse();
    assertThat(legal(Invalidation.ALL, 1, true, 0)).isTrue();
    assertThat(legal(Invalidation.ALL_NON_GLOBAL, 1, true, 0)).isTrue();
  }

  @Test
  void onlyTheTypeThatHasAnAddressWantsItCanonical() {
    assertThat(legal(Invalidation.ADDRESS, 0, false, 0)).isFalse();
    for (int type = 1; type < 4; type++) {
      assertThat(legal(type, 0, false, 0)).isTrue();
    }
  }

  @Test
  void inLongModeAnAddressIsCanonical() {
    long wide = 0x8000_0000_0000L;
    long paged = Cr0.PE | Cr0.PG;
    assertThat(Invalidation.isAddress(wide, paged, Cr4.PAE, Efer.LMA)).isFalse();
    assertThat(Invalidation.isAddress(wide, paged, Cr4.PAE | Cr4.LA57, Efer.LMA)).isTrue();
    assertThat(Invalidation.isAddress(-wide, paged, Cr4.PAE, Efer.LMA)).isTrue();
  }

  @Test
  void elsewhereAnyNumberIsAnAddress() {
    long wide = 0x8000_0000_0000L;
    assertThat(Invalidation.isAddress(wide, Cr0.PE | Cr0.PG, Cr4.PAE, 0)).isTrue();
    assertThat(Invalidation.isAddress(wide, Cr0.PE, Cr4.PAE, Efer.LMA)).isTrue();
  }
}
