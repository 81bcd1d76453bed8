// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PagingFormat;
import java.util.BitSet;
import java.util.Random;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * One running guest goes from backend to backend, on a machine that has the paging of both makers.
 */
class HapSwapTest {
  static Stream<PagingFormat> formats() {
    return PagingFormat.ALL.stream();
  }

  private static HapGuest guest(PagingFormat format, Placement placement) {
    CpuProfile profile = new CpuProfile(Vendor.INTEL, 40, CpuProfile.allOfBoth());
    HapGuest guest =
        new HapGuest(HapGuest.machine(profile, true), new EptBackend(), format, placement);
    guest.boot();
    return guest;
  }

  private static PagingBackend nativePaging() {
    return ServiceLoader.load(PagingBackend.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(it -> it.name().equals("native"))
        .findFirst()
        .orElseThrow();
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aGuestNoticesNothingOfSwapsWhateverItsMode(PagingFormat format) {
    HapGuest guest = guest(format, Placement.IDENTITY);
    PagingBackend[] backends = {new NptBackend(), new EptBackend(), nativePaging()};
    long[] content = new long[HapGuest.FRAMES];
    Random random = new Random(3);
    for (int i = 0; i < 150; i++) {
      if (random.nextInt(3) == 0) {
        guest.hypervisor.swap(guest.domain, backends[random.nextInt(backends.length)]);
      }
      int frame = HapGuest.FIRST + random.nextInt(HapGuest.FRAMES - HapGuest.FIRST);
      if (random.nextBoolean()) {
        content[frame] = random.nextLong();
        assertThat(guest.store(HapGuest.linear(frame), 8, content[frame]))
            .isEqualTo(RunResult.DONE);
      } else {
        assertThat(guest.load(HapGuest.linear(frame), 8)).isEqualTo(content[frame]);
      }
      assertThat(guest.reached).isEqualTo((long) frame << 12);
    }
    assertThat(guest.domain.statistics()).containsKeys("hap-ept", "hap-npt", "native");
  }

  /** What belongs to the domain stays: holes, types, and the log with every write of before. */
  @ParameterizedTest
  @EnumSource(Dimension.class)
  void theP2mAndTheDirtyLogSurviveASwap(Dimension to) {
    HapGuest guest = guest(PagingFormat.FOUR_LEVEL, Placement.SCATTERED);
    Domain domain = guest.domain;
    domain.p2m().remove(20, domain.gfnToMfn(20), 0);
    domain.p2m().changeType(21, P2mType.RAM_RW, P2mType.RAM_RO);
    assertThat(domain.logDirty().enable()).isEqualTo(Errno.OK);
    guest.store(HapGuest.linear(30), 8, 1);
    long mfn = domain.gfnToMfn(30);
    guest.hypervisor.swap(domain, HapGuest.backend(to));
    guest.store(HapGuest.linear(31), 8, 1);
    assertThat(domain.p2m().format()).isEqualTo(to.p2mFormat());
    assertThat(domain.gfnToMfn(30)).isEqualTo(mfn);
    assertThat(domain.gfnToMfn(20)).isEqualTo(-1);
    assertThat(P2mEntry.type(domain.p2m().get(21))).isEqualTo(P2mType.RAM_RO);
    long[] bitmap = new long[1];
    assertThat(domain.logDirty().clean(bitmap, 64)).isEqualTo(Errno.OK);
    BitSet dirty = BitSet.valueOf(bitmap);
    assertThat(dirty.get(30) && dirty.get(31)).isTrue();
    assertThat(dirty.get(40)).isFalse();
    guest.store(HapGuest.linear(40), 8, 1);
    domain.logDirty().peek(bitmap, 64);
    assertThat(BitSet.valueOf(bitmap).get(40)).isTrue();
  }

  @ParameterizedTest
  @EnumSource(Dimension.class)
  void tablesOfTheOldFormatAreGivenBack(Dimension to) {
    HapGuest guest = guest(PagingFormat.FOUR_LEVEL, Placement.SCATTERED);
    long before = guest.domain.pool().used();
    for (int i = 0; i < 5; i++) {
      guest.hypervisor.swap(guest.domain, HapGuest.backend(to));
      assertThat(guest.domain.pool().used()).isEqualTo(before);
      guest.hypervisor.swap(guest.domain, new EptBackend());
    }
    assertThat(guest.domain.p2m().format()).isEqualTo(P2mFormat.EPT);
  }

  @Test
  void aPoolWithoutRoomForBothFormatsIsARefusalAndTheGuestGoesOn() {
    HapGuest guest = guest(PagingFormat.FOUR_LEVEL, Placement.SCATTERED);
    Domain domain = guest.domain;
    assertThat(domain.pool().resize(domain.pool().used() + 1)).isEqualTo(Errno.OK);
    assertThatThrownBy(() -> guest.hypervisor.swap(domain, new NptBackend()))
        .isInstanceOf(BackendUnavailableException.class);
    assertThat(domain.backend()).isEqualTo("hap-ept");
    assertThat(domain.pool().used()).isEqualTo(domain.p2m().tableFrames());
    assertThat(guest.store(HapGuest.linear(33), 8, 12)).isEqualTo(RunResult.DONE);
    assertThat(guest.load(HapGuest.linear(33), 8)).isEqualTo(12);
  }

  @ParameterizedTest
  @EnumSource(Dimension.class)
  void nativePagingIsRefusedWhileTheLogIsOn(Dimension from) {
    HapGuest guest = guest(PagingFormat.FOUR_LEVEL, Placement.IDENTITY);
    guest.hypervisor.swap(guest.domain, HapGuest.backend(from));
    guest.domain.logDirty().enable();
    assertThatThrownBy(() -> guest.hypervisor.swap(guest.domain, nativePaging()))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("dirty log");
    guest.domain.logDirty().disable();
    guest.hypervisor.swap(guest.domain, nativePaging());
    assertThat(guest.store(HapGuest.linear(33), 8, 12)).isEqualTo(RunResult.DONE);
  }
}
