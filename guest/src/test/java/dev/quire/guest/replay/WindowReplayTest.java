// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.HwEvent;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files with every access: fills only compared, stores that are part of accesses. */
class WindowReplayTest {
  private static final int READ = 0;
  private static final int WRITE = 1;
  private static final int FETCH = 2;

  @TempDir Path folder;
  private final SmallGuest guest = new SmallGuest();

  private World replay(TraceWriter writer) {
    return World.replay(writer.end().compressTo(folder.resolve("t.zst")), World.defaultTlb());
  }

  private World same(TraceWriter writer) {
    World world = replay(writer);
    assertThat(world.report.explanations()).isEmpty();
    return world;
  }

  private void differs(TraceWriter writer, String... parts) {
    World world = replay(writer);
    assertThat(world.report.differences()).isEqualTo(1);
    assertThat(world.report.explanations()).singleElement().asString().contains(parts);
  }

  private static long memory(World world, long address) {
    return world.domain.deviceLoad(Addresses.gpa(address), 8);
  }

  @Test
  void everyAccessIsCompared() {
    TraceWriter writer = guest.window();
    for (int i = 0; i < 10_000; i++) {
      int page = 8 + i % 400;
      writer.access(i % 3 == 0 ? READ : FETCH, true, 4, page * 4096L, (0x100 + page) * 4096L);
    }
    World world = replay(writer.access(READ, true, 4, 0x5000, 0x5000).tick(1));
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(10_001);
    assertThat(world.report.ratesMeaningful()).isTrue();
    assertThat(world.report.explanations())
        .singleElement()
        .asString()
        .contains("record 10009", "user read at 0x5000", "reached 0x105000, recorded is 0x5000");
  }

  @Test
  void supervisorAccessesAreExemptFromSmap() {
    TraceWriter writer = guest.window().number(Tag.CR4_IMPLICIT, 0x20_0020);
    same(writer.access(READ, false, 8, 0x5000, 0x10_5000));
  }

  @Test
  void fillsAreOnlyCompared() {
    World world = same(guest.window().fill(0, 0x5123, 0x10_5123));
    assertThat(world.counted(HwEvent.ACCESSES)).isZero();
    assertThat(world.counted(HwEvent.WALKS)).isZero();
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(guest.table[5]);
  }

  @Test
  void fillsOfAnotherPlaceSizeOrScopeDiffer() {
    differs(guest.window().fill(0, 0x5123, 0x10_6123), "record 9", "maps frame 0x105");
    differs(new SmallGuest().window().fill(1 << 3, 0x5123, 0x10_5123), "2^21 bytes");
    differs(new SmallGuest().window().fill(0x40, 0x5123, 0x10_5123), "global");
    guest.table[5] = 0;
    differs(guest.window().fill(0, 0x5123, 0x10_5123), "refused by NOT_PRESENT");
  }

  @Test
  void fillSeesTheStoresBeforeIt() {
    TraceWriter writer = guest.window().access(WRITE, false, 8, SmallGuest.entryAt(5), 0x4028);
    writer.ptstore(0, SmallGuest.entry(5), 8, 0x20_0067, 1);
    same(writer.fill(0, 0x5000, 0x20_0000));
  }

  @Test
  void storeIsTheAccessBeforeIt() {
    TraceWriter writer = guest.window().access(WRITE, false, 8, SmallGuest.entryAt(5), 0x4028);
    writer.tick(2048).ptstore(0, SmallGuest.entry(5), 4, 0x20_0067, 1);
    World world = same(writer.access(READ, true, 1, 0x5000, 0x20_0000));
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(2);
    assertThat(world.fact("  apart from an access")).isZero();
  }

  @Test
  void wideAccessIsSeveralStores() {
    TraceWriter writer = guest.window().access(WRITE, false, 16, SmallGuest.entryAt(5), 0x4028);
    writer.ptstore(0, SmallGuest.entry(5), 8, 0x20_0067, 1);
    writer.ptstore(0, SmallGuest.entry(6), 8, 0x20_1067, 1);
    writer.access(READ, true, 1, 0x5000, 0x20_0000).access(READ, true, 1, 0x6000, 0x20_1000);
    World world = same(writer);
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(4);
    assertThat(world.fact("  apart from an access")).isZero();
  }

  @Test
  void storeBelongsToItsAccessAcrossBlocks() {
    for (int before = 4090; before < 4100; before++) {
      TraceWriter writer = new SmallGuest().window();
      for (int i = 0; i < before; i++) {
        writer.access(FETCH, false, 1, 0x9000 + i % 4096, 0x10_9000 + i % 4096);
      }
      writer.access(WRITE, false, 8, SmallGuest.entryAt(5), 0x4028);
      writer.ptstore(0, SmallGuest.entry(5), 8, 0x20_0067, 1);
      World world = same(writer.access(READ, true, 1, 0x5000, 0x20_0000));
      assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(before + 2);
      assertThat(world.fact("  apart from an access")).isZero();
    }
  }

  @Test
  void storeApartFromAnAccessIsMadeAndCounted() {
    TraceWriter writer = guest.window().access(WRITE, false, 8, SmallGuest.entryAt(5), 0x4028);
    writer.ptstore(0, SmallGuest.entry(7), 8, 0x20_0067, 1);
    World world = same(writer.access(READ, true, 1, 0x7000, 0x20_0000));
    assertThat(world.fact("  apart from an access")).isEqualTo(1);
    assertThat(world.fact("  by searching the tables")).isEqualTo(1);
  }

  @Test
  void faultsDriveTheMachine() {
    guest.table[5] = 0;
    TraceWriter writer = guest.window().access(READ, true, 1, 0x6000, 0x10_6000);
    World world = same(writer.fault(4, 4, 0x5000, 0).access(READ, true, 1, 0x6000, 0x10_6000));
    assertThat(world.counted(HwEvent.PAGE_FAULTS)).isEqualTo(1);
  }

  @Test
  void pdptesOfTheInitialStateAreLoadedAndLaterOnesCompared() {
    TraceWriter writer = TraceWriter.window(SmallGuest.RAM).number(Tag.CR0_IMPLICIT, 0x8001_0011L);
    long[] directory = new long[512];
    directory[0] = 0xE7; // a 2 MiB page
    long[] pointers = new long[512];
    pointers[0] = 0x2001;
    writer.number(Tag.CR4_IMPLICIT, 0x20).ptpage(1, 5, pointers).ptpage(2, 1, directory);
    writer.number(Tag.CR3_IMPLICIT, 0x1000).pdpte(0x2001, 0, 0, 0).u8(Tag.STATE_END);
    writer.access(READ, true, 1, 0x12345, 0x12345).number(Tag.CR3, 0x1000);
    World world = same(writer.pdpte(0x2001, 0, 0, 0).access(READ, true, 1, 0x12345, 0x12345));
    assertThat(world.fact("PDPTE loads compared")).isEqualTo(1);
  }
}
