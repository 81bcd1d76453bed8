// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Vector;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Guests in every mode under both backends, on the real machine. */
class HapGuestTest {
  static Stream<Arguments> everyMode() {
    return Stream.of(Dimension.values())
        .flatMap(it -> PagingFormat.ALL.stream().map(format -> Arguments.of(it, format)));
  }

  private static HapGuest booted(Dimension dimension, PagingFormat format) {
    HapGuest guest = new HapGuest(dimension, format, Placement.SCATTERED);
    guest.boot();
    return guest;
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void theModeFollowsTheGuestsRegisters(Dimension dimension, PagingFormat format) {
    HapGuest guest = new HapGuest(dimension, format, Placement.SCATTERED);
    assertThat(guest.domain.paging().updatePagingModes(guest.vcpu()).guestLevels()).isEqualTo(1);
    guest.boot();
    assertThat(guest.domain.paging().updatePagingModes(guest.vcpu()).guestLevels())
        .isEqualTo(format.levels());
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void memoryIsReachedThroughBothDimensionsWithoutExits(Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    for (int i = HapGuest.FIRST; i < HapGuest.FRAMES; i++) {
      assertThat(guest.store(HapGuest.linear(i) + 8, 8, 1000 + i)).isEqualTo(RunResult.DONE);
      assertThat(guest.reached).isEqualTo((guest.domain.gfnToMfn(i) << 12) + 8);
      assertThat(guest.reached >>> 12).as("scattered").isNotEqualTo(i);
    }
    for (int i = HapGuest.FIRST; i < HapGuest.FRAMES; i++) {
      assertThat(guest.load(HapGuest.linear(i) + 8, 8)).isEqualTo(1000 + i);
      assertThat(guest.domain.deviceLoad(((long) i << 12) + 8, 8)).isEqualTo(1000 + i);
      assertThat(guest.mapping(i) & (PageEntry.A | PageEntry.D))
          .isEqualTo(PageEntry.A | PageEntry.D);
    }
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isZero();
    assertThat(guest.exits(ExitReason.EPT_MISCONFIGURATION)).isZero();
    assertThat(guest.exits(ExitReason.PAGE_FAULT)).isZero();
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void whereTheP2mHasNothingIsADeviceAndTheGuestsTablesGetTheirBits(
      Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    int device = HapGuest.FRAMES;
    assertThat(guest.store(HapGuest.linear(device) + 4, 4, 7)).isEqualTo(RunResult.DONE);
    assertThat(guest.reached).isEqualTo(OperationBlock.DEVICE | ((long) device << 12) + 4);
    assertThat(guest.mapping(device) & (PageEntry.A | PageEntry.D))
        .isEqualTo(PageEntry.A | PageEntry.D);
    assertThat(guest.load(HapGuest.linear(device) + 4, 2)).isEqualTo(0xffff);
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isEqualTo(2);
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void accessesAcrossMemoryAndADeviceAreWhole(Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    long at = HapGuest.linear(HapGuest.FRAMES) - 3;
    assertThat(guest.store(at, 8, 0x1122334455667788L)).isEqualTo(RunResult.DONE);
    assertThat(guest.domain.deviceLoad((HapGuest.FRAMES << 12) - 3, 1)).isEqualTo(0x88);
    assertThat(guest.load(at, 8)).isEqualTo(-1L << 24 | 0x667788);
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void aFaultInTheGuestsOwnTablesIsTheGuestsUnderEmulationToo(
      Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    guest.map(20, 20L << 12);
    assertThat(guest.store(HapGuest.linear(20), 8, 1)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu().faultVector()).isEqualTo(Vector.PF);
    guest.map(HapGuest.FRAMES + 1, 0);
    long across = HapGuest.linear(HapGuest.FRAMES + 1) - 4;
    assertThat(guest.store(across, 8, 1)).as("the device comes first").isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu().faultLinear()).isEqualTo(HapGuest.linear(HapGuest.FRAMES + 1));
    assertThat(guest.exits(ExitReason.PAGE_FAULT)).isZero();
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void aRemovedFrameIsReachedNoMoreThoughItWasCached(Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    guest.store(HapGuest.linear(20), 8, 5);
    long mfn = guest.domain.gfnToMfn(20);
    assertThat(guest.domain.p2m().remove(20, mfn, 0).isOk()).isTrue();
    assertThat(guest.load(HapGuest.linear(20), 8)).isEqualTo(-1);
    assertThat(guest.reached).isEqualTo(OperationBlock.DEVICE | 20 << 12);
    assertThat(guest.machine.memory().load(mfn << 12, 8)).isEqualTo(5);
    assertThat(guest.domain.p2m().add(21, mfn, 0, P2mType.RAM_RW).isOk()).isTrue();
    assertThat(guest.load(HapGuest.linear(21), 8)).as("elsewhere now").isEqualTo(5);
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void lazyChangesOfTypeAreWorkedOffOneFrameAtATime(Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    guest.domain.p2m().changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(guest.domain.p2m().get(20))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(guest.load(HapGuest.linear(20), 8)).isZero();
    assertThat(P2mEntry.type(guest.domain.p2m().get(20))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(guest.store(HapGuest.linear(20), 8, 6)).isEqualTo(RunResult.DONE);
    assertThat(P2mEntry.type(guest.domain.p2m().get(20))).isEqualTo(P2mType.RAM_RW);
    assertThat(P2mEntry.type(guest.domain.p2m().get(22))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(guest.domain.paging().statistics().get("recalculations")).isPositive();
    long exits = guest.exits(ExitReason.NESTED_FAULT);
    guest.store(HapGuest.linear(20), 8, 7);
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isEqualTo(exits);
  }

  @ParameterizedTest
  @MethodSource("everyMode")
  void readOnlyMemoryEvenWithPageTablesInItWorksAndStaysAsItIs(
      Dimension dimension, PagingFormat format) {
    HapGuest guest = booted(dimension, format);
    int lastTable = format.levels() - 1;
    long before = guest.mapping(30);
    guest.domain.p2m().changeType(lastTable, P2mType.RAM_RW, P2mType.RAM_RO);
    assertThat(guest.store(HapGuest.linear(30), 8, 9)).isEqualTo(RunResult.DONE);
    assertThat(guest.load(HapGuest.linear(30), 8)).isEqualTo(9);
    assertThat(guest.mapping(30)).isEqualTo(before);
  }

  @Test
  void aFrameThatAMonitorClosedIsOpenedSinceNobodyListens() {
    HapGuest guest = booted(Dimension.EPT, PagingFormat.FOUR_LEVEL);
    guest.domain.p2m().set(20, guest.domain.gfnToMfn(20), 0, P2mType.RAM_RW, P2mAccess.R);
    assertThat(guest.load(HapGuest.linear(20), 8)).isZero();
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isZero();
    assertThat(guest.store(HapGuest.linear(20), 8, 3)).isEqualTo(RunResult.DONE);
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isEqualTo(1);
    assertThat(P2mEntry.access(guest.domain.p2m().get(20))).isEqualTo(P2mAccess.RWX);
  }

  @ParameterizedTest
  @EnumSource(Dimension.class)
  void brokenMemoryIsTheEndOfTheDomainOnly(Dimension dimension) {
    HapGuest guest = booted(dimension, PagingFormat.FOUR_LEVEL);
    guest.domain.p2m().set(20, guest.domain.gfnToMfn(20), 0, P2mType.RAM_BROKEN, P2mAccess.RWX);
    assertThat(guest.store(HapGuest.linear(20), 8, 3)).isEqualTo(RunResult.DEAD);
    assertThat(guest.domain.crashReason()).contains("0x14000", "RAM_BROKEN");
  }

  @ParameterizedTest
  @EnumSource(Dimension.class)
  void aCpuWithoutTheFeatureIsRefusedAndSoIsTheOtherVendors(Dimension dimension) {
    CpuProfile full = HapGuest.profile(dimension);
    Set<Feature> without = EnumSet.copyOf(full.features());
    without.remove(dimension.feature());
    CpuProfile bare = new CpuProfile(full.vendor(), 40, without);
    Dimension other = dimension == Dimension.NPT ? Dimension.EPT : Dimension.NPT;
    for (CpuProfile profile : List.of(bare, HapGuest.profile(other))) {
      assertThatThrownBy(
              () ->
                  new HapGuest(
                      HapGuest.machine(profile, false),
                      HapGuest.backend(dimension),
                      PagingFormat.FOUR_LEVEL,
                      Placement.SCATTERED))
          .isInstanceOf(BackendUnavailableException.class)
          .hasMessageContaining(dimension.feature().name());
    }
  }
}
