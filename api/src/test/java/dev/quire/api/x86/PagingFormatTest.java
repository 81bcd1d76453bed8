// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class PagingFormatTest {
  @Test
  void anAddressIsSplitAsTheManualDrawsIt() {
    long linear = 0x00ab_cdef_1234_5678L;
    assertThat(PagingFormat.FIVE_LEVEL.index(linear, 5)).isEqualTo(0xab);
    assertThat(PagingFormat.FOUR_LEVEL.index(linear, 4)).isEqualTo(0xcdef >> 7);
    assertThat(PagingFormat.FOUR_LEVEL.index(linear, 3)).isEqualTo((int) (linear >> 30) & 511);
    assertThat(PagingFormat.FOUR_LEVEL.index(linear, 2)).isEqualTo((0x12345678 >> 21) & 511);
    assertThat(PagingFormat.FOUR_LEVEL.index(linear, 1)).isEqualTo((0x12345678 >> 12) & 511);
    assertThat(PagingFormat.PAE.index(0xc0000000L, 3)).isEqualTo(3);
    assertThat(PagingFormat.TWO_LEVEL.index(0xffc00000L, 2)).isEqualTo(1023);
    assertThat(PagingFormat.TWO_LEVEL.index(0x3ff000, 1)).isEqualTo(1023);
  }

  @Test
  void anEntryCoversAPageOfItsLevel() {
    assertThat(PagingFormat.TWO_LEVEL.shift(1)).isEqualTo(12);
    assertThat(PagingFormat.TWO_LEVEL.shift(2)).isEqualTo(22);
    assertThat(PagingFormat.PAE.shift(2)).isEqualTo(21);
    assertThat(PagingFormat.FIVE_LEVEL.shift(3)).isEqualTo(30);
    assertThat(PagingFormat.FIVE_LEVEL.shift(5)).isEqualTo(48);
  }

  @Test
  void tablesHaveTheirNumberOfEntries() {
    assertThat(PagingFormat.TWO_LEVEL.entries(1)).isEqualTo(1024);
    assertThat(PagingFormat.TWO_LEVEL.entries(2)).isEqualTo(1024);
    assertThat(PagingFormat.PAE.entries(2)).isEqualTo(512);
    assertThat(PagingFormat.PAE.entries(3)).isEqualTo(4);
    assertThat(PagingFormat.FOUR_LEVEL.entries(4)).isEqualTo(512);
  }

  @Test
  void upperBitsOfALongAddressCopyTheHighestOneTranslated() {
    PagingFormat four = PagingFormat.FOUR_LEVEL;
    assertThat(four.isCanonical(0x0000_7fff_ffff_ffffL)).isTrue();
    assertThat(four.isCanonical(0x0000_8000_0000_0000L)).isFalse();
    assertThat(four.isCanonical(0xffff_8000_0000_0000L)).isTrue();
    assertThat(four.isCanonical(0xffff_7fff_ffff_ffffL)).isFalse();
    PagingFormat five = PagingFormat.FIVE_LEVEL;
    assertThat(five.isCanonical(0x00ff_ffff_ffff_ffffL)).isTrue();
    assertThat(five.isCanonical(0x0100_0000_0000_0000L)).isFalse();
    assertThat(five.isCanonical(0xff00_0000_0000_0000L)).isTrue();
  }

  @Test
  void otherAddressesHave32BitsAndWrapSoThatNoneIsIllegal() {
    for (PagingFormat format : new PagingFormat[] {PagingFormat.TWO_LEVEL, PagingFormat.PAE}) {
      assertThat(format.isLongMode()).isFalse();
      assertThat(format.isCanonical(0xffff_ffffL)).isTrue();
      assertThat(format.isCanonical(0x1_0000_0000L)).isTrue();
    }
    assertThat(PagingFormat.FOUR_LEVEL.isLongMode()).isTrue();
    assertThat(PagingFormat.FIVE_LEVEL.isLongMode()).isTrue();
  }

  @Test
  void onlyPaeHasItsRootInRegisters() {
    assertThat(PagingFormat.ALL)
        .filteredOn(PagingFormat::rootInRegisters)
        .containsExactly(PagingFormat.PAE);
  }

  @Test
  void entriesHaveAddressesAsWideAsThey() {
    assertThat(PagingFormat.TWO_LEVEL.frameMask()).isEqualTo(0xfffff000L);
    assertThat(PagingFormat.PAE.frameMask()).isEqualTo(0x000f_ffff_ffff_f000L);
  }

  @Test
  void aSmallWorldHasTheSameLevelsWithFewerEntries() {
    PagingFormat small = PagingFormat.FOUR_LEVEL.withIndexBits(2);
    assertThat(small.levels()).isEqualTo(4);
    assertThat(small.entryBytes()).isEqualTo(8);
    assertThat(small.entries(1)).isEqualTo(4);
    assertThat(small.entries(4)).isEqualTo(4);
    assertThat(small.shift(4)).isEqualTo(18);
    assertThat(small.linearBits()).isEqualTo(20);
    assertThat(small.isCanonical(0x7ffff)).isTrue();
    assertThat(small.isCanonical(0x80000)).isFalse();
    assertThat(small.topPageLevel()).isEqualTo(3);
    assertThat(small).hasToString("4-level/2");
    PagingFormat pae = PagingFormat.PAE.withIndexBits(3);
    assertThat(pae.entries(3)).isEqualTo(4); // PDPTEs are four at most
    assertThat(pae.linearBits()).isEqualTo(20);
    assertThat(pae.withIndexBits(1).entries(3)).isEqualTo(2);
  }

  @Test
  void aSmallWorldIsNotLargerThanTheRealOne() {
    assertThat(PagingFormat.TWO_LEVEL.withIndexBits(10).entries(1)).isEqualTo(1024);
    for (int bits : new int[] {0, -1, 10}) {
      assertThatThrownBy(() -> PagingFormat.PAE.withIndexBits(bits))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("PAE cannot have indexes of " + bits + " bits");
    }
  }
}
