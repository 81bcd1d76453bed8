// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class InvpcidTest {
  private static boolean legal(int type, int pcid, boolean canonical, long cr4) {
    return Invpcid.isLegal(Invpcid.pack(type, pcid), canonical, cr4);
  }

  @Test
  void typesAndPcidsComeOutAsTheyWentIn() {
    long packed = Invpcid.pack(Invpcid.ALL_NON_GLOBAL, 0xabc);
    assertThat(Invpcid.type(packed)).isEqualTo(3);
    assertThat(Invpcid.pcid(packed)).isEqualTo(0xabc);
    assertThat(Invpcid.type(Invpcid.pack(-1, 0))).isEqualTo(-1);
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
    assertThat(legal(Invpcid.ADDRESS, 1, true, 0)).isFalse();
    assertThat(legal(Invpcid.CONTEXT, 1, true, 0)).isFalse();
    assertThat(legal(Invpcid.ALL, 1, true, 0)).isTrue();
    assertThat(legal(Invpcid.ALL_NON_GLOBAL, 1, true, 0)).isTrue();
  }

  @Test
  void onlyTheTypeThatHasAnAddressWantsItCanonical() {
    assertThat(legal(Invpcid.ADDRESS, 0, false, 0)).isFalse();
    for (int type = 1; type < 4; type++) {
      assertThat(legal(type, 0, false, 0)).isTrue();
    }
  }
}
