// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PagingFormat;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The dirty log by write protection (NPT, EPT) and by hardware (EPT with PML). */
class HapLogDirtyTest {
  static Stream<CpuProfile> machines() {
    CpuProfile intel = CpuProfile.full(Vendor.INTEL, 40);
    Set<Feature> byFaults = EnumSet.copyOf(intel.features());
    byFaults.remove(Feature.PML);
    return Stream.of(
        CpuProfile.full(Vendor.AMD, 40), intel, new CpuProfile(Vendor.INTEL, 40, byFaults));
  }

  private static HapGuest booted(CpuProfile profile) {
    PagingBackend backend = profile.has(Feature.NPT) ? new NptBackend() : new EptBackend();
    HapGuest guest =
        new HapGuest(
            HapGuest.machine(profile, true), backend, PagingFormat.FOUR_LEVEL, Placement.SCATTERED);
    guest.boot();
    return guest;
  }

  private static BitSet clean(HapGuest guest) {
    long[] bitmap = new long[2];
    assertThat(guest.domain.logDirty().clean(bitmap, HapGuest.FRAMES)).isEqualTo(Errno.OK);
    return BitSet.valueOf(bitmap);
  }

  /** Everything that the guest writes between two rounds is in the second, page tables too. */
  @ParameterizedTest
  @MethodSource("machines")
  void everyWriteBetweenTwoRoundsIsInTheNextAnswer(CpuProfile profile) {
    HapGuest guest = booted(profile);
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    Random random = new Random(9);
    for (int round = 0; round < 40; round++) {
      BitSet written = new BitSet();
      for (int i = random.nextInt(12); i > 0; i--) {
        int frame = HapGuest.FIRST + random.nextInt(HapGuest.FRAMES - HapGuest.FIRST);
        if (random.nextBoolean()) {
          assertThat(guest.store(HapGuest.linear(frame), 8, i)).isEqualTo(RunResult.DONE);
          written.set(frame);
        } else {
          guest.load(HapGuest.linear(frame), 8);
        }
      }
      BitSet answer = clean(guest);
      written.andNot(answer);
      assertThat(written.isEmpty()).as("round %d: %s are missing", round, written).isTrue();
    }
    assertThat(clean(guest).cardinality()).as("nothing was written").isZero();
    assertThat(guest.domain.logDirty().audit()).isEmpty();
    assertThat(guest.domain.logDirty().disable()).isEqualTo(Errno.OK);
    guest.store(HapGuest.linear(40), 8, 3); // works off what is lazy on the way
    long exits = guest.exits(ExitReason.NESTED_FAULT);
    clean(guest);
    guest.store(HapGuest.linear(40), 8, 4);
    assertThat(guest.exits(ExitReason.NESTED_FAULT)).isEqualTo(exits);
  }

  @ParameterizedTest
  @MethodSource("machines")
  void hardwareThatLogsTakesNoFaultForAWrite(CpuProfile profile) {
    HapGuest guest = booted(profile);
    guest.domain.logDirty().enable();
    guest.load(HapGuest.linear(30), 8); // what is lazy on the way is worked off
    clean(guest);
    guest.load(HapGuest.linear(30), 8);
    long faults = guest.exits(ExitReason.NESTED_FAULT);
    guest.store(HapGuest.linear(30), 8, 1);
    boolean logs = profile.has(Feature.PML);
    assertThat(guest.exits(ExitReason.NESTED_FAULT) > faults).isNotEqualTo(logs);
    assertThat(clean(guest).get(30)).isTrue();
    assertThat(guest.domain.paging().statistics().get("pml-entries") > 0).isEqualTo(logs);
  }

  @ParameterizedTest
  @MethodSource("machines")
  void whatDevicesWriteIsLoggedToo(CpuProfile profile) {
    HapGuest guest = booted(profile);
    guest.domain.logDirty().enable();
    clean(guest);
    guest.domain.deviceStore(0x21008, 4, 1);
    assertThat(clean(guest)).isEqualTo(BitSet.valueOf(new long[] {1L << 0x21}));
  }
}
