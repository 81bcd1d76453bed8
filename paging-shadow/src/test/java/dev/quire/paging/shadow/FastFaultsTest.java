// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FIRST;
import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.FRAMES;
import static dev.quire.paging.shadow.HostedGuest.entryOf;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Faults that shadow entries explain, and writes to the table that the last one went to. */
class FastFaultsTest {
  private static final long DEVICE = 0xf000_0000L;
  private static final long READ = Access.of(0, false, false);

  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;

  static List<PagingFormat> formats() {
    return PagingFormat.ALL;
  }

  private Domain boot(PagingFormat format, String outOfSync) {
    Domain domain = guest.create(new ShadowBackend().with(Map.of("oos", outOfSync)), 96);
    guest.writeTables(format);
    guest.boot(format);
    block.clear();
    return domain;
  }

  private long count(String title) {
    return guest.domain.paging().statistics().get(title);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aDeviceIsKnownByItsShadowEntry(PagingFormat format) {
    Domain domain = boot(format, "on");
    domain.deviceStore(entryOf(format, 20), format.entryBytes(), DEVICE | FLAGS);
    for (int i = 0; i < 3; i++) {
      block.load(READ, linear(20) + 4 * i, 4);
    }
    guest.run(RunResult.DONE);
    assertThat(block.results()[2]).isEqualTo(0xffff_ffffL);
    assertThat(block.reached()[2]).isEqualTo(OperationBlock.DEVICE | DEVICE + 8);
    assertThat(count("mmio-fast-path")).isEqualTo(2);
    assertThat(count("emulated-mmio")).isEqualTo(3);
    long entry = domain.deviceLoad(entryOf(format, 20), format.entryBytes());
    assertThat(entry & PageEntry.A).isNotZero();
  }

  @Test
  void aDeviceThatTheGuestMayNotUseIsItsFault() {
    PagingFormat format = PagingFormat.FOUR_LEVEL;
    Domain domain = boot(format, "on");
    long supervisor = PageEntry.P | PageEntry.RW;
    domain.deviceStore(entryOf(format, 20), 8, DEVICE | supervisor);
    block.load(READ, linear(20), 4);
    block.load(Access.of(0, true, false), linear(20), 4);
    guest.run(RunResult.FAULT);
    assertThat(block.next()).isEqualTo(1);
    assertThat(domain.vcpu(0).faultErrorCode()).as("P U").isEqualTo(5);
  }

  @Test
  void memoryInADevicesPlaceIsFound() {
    PagingFormat format = PagingFormat.FOUR_LEVEL;
    Domain domain = boot(format, "on");
    @Gfn long gfn = Addresses.gfn(30);
    @Mfn long mfn = domain.gfnToMfn(gfn);
    assertThat(domain.p2m().remove(gfn, mfn, 0)).isEqualTo(Errno.OK);
    block.load(READ, linear(30), 4);
    block.load(READ, linear(30), 4);
    guest.run(RunResult.DONE);
    assertThat(count("mmio-fast-path")).isEqualTo(1);
    assertThat(domain.p2m().add(gfn, mfn, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(domain.paging().audit()).isEmpty();
    domain.deviceStore(30L << 12, 4, 99);
    block.next(0);
    guest.run(RunResult.DONE);
    assertThat(block.results()[1]).isEqualTo(99);
    assertThat(count("mmio-fast-path")).isEqualTo(1);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void whatIsNotPresentIsKnownByItsShadowEntry(PagingFormat format) {
    Domain domain = boot(format, "off");
    domain.deviceStore(entryOf(format, 21), format.entryBytes(), 21L << 12);
    block.load(READ, linear(20), 4); // makes the neighbours' too
    block.load(Access.of(0, true, false), linear(21), 4);
    guest.run(RunResult.FAULT);
    assertThat(domain.vcpu(0).faultErrorCode()).as("U").isEqualTo(4);
    assertThat(domain.vcpu(0).faultLinear()).isEqualTo(linear(21));
    assertThat(count("not-present-fast-path")).isEqualTo(1);
    assertThat(count("faults-injected")).isEqualTo(1);
    domain.deviceStore(entryOf(format, 21), format.entryBytes(), 21L << 12 | FLAGS);
    guest.run(RunResult.DONE);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void aFetchIsToldApartOnlyWhereTheGuestHasNoExecute(PagingFormat format) {
    Domain domain = boot(format, "off");
    domain.deviceStore(entryOf(format, 21), format.entryBytes(), 0);
    block.load(READ, linear(20), 4);
    block.probe(Access.of(Access.FETCH, false, false), linear(21));
    guest.run(RunResult.FAULT);
    int fetch = format.levels() > 2 ? 16 : 0;
    assertThat(domain.vcpu(0).faultErrorCode()).isEqualTo(fetch);
    assertThat(count("not-present-fast-path")).isEqualTo(1);
  }

  @Test
  void whatBecomesPresentInATableOutOfSyncIsFound() {
    boot(PagingFormat.FOUR_LEVEL, "on");
    guest.domain.deviceStore(entryOf(PagingFormat.FOUR_LEVEL, 21), 8, 0);
    long entry = linear(FRAMES) + 8 * PagingFormat.FOUR_LEVEL.index(linear(21), 1);
    block.load(READ, linear(20), 4);
    block.store(READ | Access.WRITE, entry, 8, 21L << 12 | FLAGS);
    block.load(READ, linear(21), 4);
    guest.run(RunResult.DONE);
    assertThat(count("not-present-fast-path")).isZero();
  }

  @ParameterizedTest
  @MethodSource("formats")
  void theNextWriteToATableIsDoneAtOnce(PagingFormat format) {
    boot(format, "off");
    int bytes = format.entryBytes();
    long entry = linear(FRAMES) + (long) format.index(linear(FIRST), 1) * bytes;
    for (int i = 0; i < 4; i++) {
      block.store(READ | Access.WRITE, entry + (long) i * bytes, bytes, (30L + i) << 12 | FLAGS);
    }
    block.load(READ, linear(FIRST + 3), 4);
    block.store(READ | Access.WRITE, entry, bytes, 40L << 12 | FLAGS);
    block.control(Kind.INVLPG, linear(FIRST));
    block.store(READ | Access.WRITE, entry, bytes, 41L << 12 | FLAGS);
    guest.run(RunResult.DONE);
    assertThat(count("emulated-table-writes")).isEqualTo(6);
    assertThat(count("table-writes-fast-path")).isEqualTo(4);
  }

  @Test
  void aCpuWithoutReservedBitsHasNoSuchEntries() {
    assertThat(MagicEntry.isPossible(CpuProfile.full(Vendor.INTEL, 52))).isFalse();
    assertThat(MagicEntry.isPossible(CpuProfile.full(Vendor.INTEL, 51))).isTrue();
  }

  @Test
  void aMarkedEntryMapsNothing() {
    @Gfn long gfn = Addresses.gfn(0xffff_ffffL);
    for (long entry : new long[] {MagicEntry.NOT_PRESENT, MagicEntry.device(gfn, -1L)}) {
      assertThat(MagicEntry.is(entry)).isTrue();
      assertThat(ShadowGraph.isPresent(entry)).isFalse();
      assertThat(DataFrames.isWritable(entry)).isFalse();
    }
    assertThat(MagicEntry.isDevice(MagicEntry.NOT_PRESENT)).isFalse();
    assertThat(MagicEntry.isDevice(MagicEntry.device(gfn, -1L))).isTrue();
    assertThat(MagicEntry.gfn(MagicEntry.device(gfn, -1L))).isEqualTo(gfn);
    assertThat(MagicEntry.fits(gfn)).isTrue();
    assertThat(MagicEntry.fits(Addresses.gfn(1L << 32))).isFalse();
    assertThat(MagicEntry.is(0xf800_ffff_ffff_ffffL)).isFalse();
  }
}
