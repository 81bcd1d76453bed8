// SPDX-License-Identifier: Apache-2.0

package dev.quire.api.address;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AddressesTest {
  @ParameterizedTest
  @ValueSource(longs = {0, 0xfff, 0x1000, 0x000f_ffff_ffff_ffffL, 0xffff_8000_0000_0123L})
  void frameAndOffsetMakeTheAddressAgain(long address) {
    long offset = Addresses.pageOffset(address);
    assertThat(Addresses.gfnToGpa(Addresses.gpaToGfn(address), offset)).isEqualTo(address);
    assertThat(Addresses.mfnToMaddr(Addresses.maddrToMfn(address), offset)).isEqualTo(address);
    assertThat(Addresses.gfnToGpa(Addresses.gpaToGfn(address))).isEqualTo(address - offset);
    assertThat(Addresses.mfnToMaddr(Addresses.maddrToMfn(address))).isEqualTo(address - offset);
    assertThat(offset).isBetween(0L, Addresses.PAGE_SIZE - 1);
  }

  @Test
  void frameNumberOfTheHighestAddressIsNotNegative() {
    assertThat(Addresses.gpaToGfn(-1)).isEqualTo(0x000f_ffff_ffff_ffffL);
    assertThat(Addresses.maddrToMfn(-1)).isEqualTo(0x000f_ffff_ffff_ffffL);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 0x123456, -1})
  void entryPointsAndIdentitiesKeepTheNumber(long raw) {
    assertThat(
            new long[] {
              Addresses.gva(raw),
              Addresses.gpa(raw),
              Addresses.gfn(raw),
              Addresses.mfn(raw),
              Addresses.maddr(raw),
              Addresses.identityGfnToMfn(raw),
              Addresses.identityMfnToGfn(raw),
              Addresses.identityGpaToMaddr(raw),
              Addresses.identityMaddrToGpa(raw)
            })
        .containsOnly(raw);
  }

  @Test
  void advanceAndAlignStayInTheirUnit() {
    assertThat(Addresses.advance(5, -3)).isEqualTo(2);
    assertThat(Addresses.alignDown(0x1fffff, 0x1000)).isEqualTo(0x1ff000);
    assertThat(Addresses.alignDown(-1, 1L << 30)).isEqualTo(-1L << 30);
  }
}
