// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TranslationTest {
  @Test
  void everyFaultComesOutAsItWentIn() {
    for (FaultRule rule : FaultRule.values()) {
      for (int level = 0; level <= 5; level++) {
        for (int code : new int[] {0, 1, 0x3f, 0x7fffffff}) {
          long fault = Translation.fault(rule, level, code);
          assertThat(Translation.isFault(fault)).isTrue();
          assertThat(Translation.rule(fault)).isEqualTo(rule);
          assertThat(Translation.faultLevel(fault)).isEqualTo(level);
          assertThat(Translation.errorCode(fault)).isEqualTo(code);
        }
      }
    }
  }

  @Test
  void aTranslationTellsFrameSizeAndKey() {
    for (int size = 0; size < 3; size++) {
      for (int key = 0; key < 16; key++) {
        long page =
            0x000f_ffff_ffff_f000L
                | Translation.PRESENT
                | (long) size << Translation.SIZE_SHIFT
                | (long) key << Translation.KEY_SHIFT
                | 0x1f;
        assertThat(Translation.isFault(page)).isFalse();
        assertThat(Translation.size(page)).isEqualTo(size);
        assertThat(Translation.level(page)).isEqualTo(size + 1);
        assertThat(Translation.key(page)).isEqualTo(key);
        assertThat(Translation.frame(page)).isEqualTo(0x000f_ffff_ffff_f000L);
      }
    }
  }

  @Test
  void theAddressIsTheFramesWithTheOffsetInThePage() {
    long large = 0x4000_0000L | Translation.PRESENT | 1L << Translation.SIZE_SHIFT;
    assertThat(Translation.address(large, 0xffff_8000_1234_5678L, 21)).isEqualTo(0x4014_5678L);
    assertThat(Translation.address(large, -1, 12)).isEqualTo(0x4000_0fffL);
  }
}
