// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.times;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.OperationBlock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ReachedAddressesTest {
  private final Domain domain = mock(Domain.class);
  private ReachedAddresses addresses;

  @BeforeEach
  void frame500IsTheGuestsFrame3() {
    when(domain.spec()).thenReturn(DomainSpec.hvm(1, 16));
    when(domain.mfnToGfn(Addresses.mfn(500))).thenReturn(Addresses.gfn(3));
    when(domain.mfnToGfn(Addresses.mfn(501))).thenReturn(Addresses.gfn(FrameMapper.NONE));
    addresses = new ReachedAddresses(domain);
  }

  @Test
  void machineAddressIsTakenBackToTheGuests() {
    assertThat(addresses.guestPhysical(500 * 4096L + 0x123)).isEqualTo(0x3123);
    assertThat(addresses.describe(500 * 4096L + 0x123)).isEqualTo("reached 0x3123");
  }

  @Test
  void frameOfSomebodyElseIsNowhere() {
    assertThat(addresses.guestPhysical(501 * 4096L)).isEqualTo(WalkResult.NOWHERE);
    assertThat(addresses.describe(501 * 4096L)).contains("0x1f5000", "not the guest's");
  }

  @Test
  void answersAreKeptUntilTheP2mMayHaveChanged() {
    addresses.guestPhysical(500 * 4096L);
    addresses.guestPhysical(500 * 4096L + 8);
    verify(domain, times(1)).mfnToGfn(Addresses.mfn(500));
    when(domain.mfnToGfn(Addresses.mfn(500))).thenReturn(Addresses.gfn(7));
    assertThat(addresses.guestPhysical(500 * 4096L)).isEqualTo(0x3000);
    addresses.forget();
    assertThat(addresses.guestPhysical(500 * 4096L)).isEqualTo(0x7000);
  }

  @Test
  void framesThatShareAPlaceAreToldApart() {
    when(domain.mfnToGfn(Addresses.mfn(500 + 1024))).thenReturn(Addresses.gfn(4));
    assertThat(addresses.guestPhysical(500 * 4096L)).isEqualTo(0x3000);
    assertThat(addresses.guestPhysical((500 + 1024) * 4096L)).isEqualTo(0x4000);
    assertThat(addresses.guestPhysical(500 * 4096L)).isEqualTo(0x3000);
  }

  @Test
  void deviceIsWhereItIsSaidToBe() {
    assertThat(addresses.guestPhysical(OperationBlock.DEVICE | 0xfee0_0020L))
        .isEqualTo(0xfee0_0020L);
  }

  @Test
  void deviceInTheMiddleOfRamIsNowhere() {
    assertThat(addresses.guestPhysical(OperationBlock.DEVICE | 0x3000))
        .isEqualTo(WalkResult.NOWHERE);
    assertThat(addresses.describe(OperationBlock.DEVICE | 0x3000)).contains("device", "0x3000");
  }
}
