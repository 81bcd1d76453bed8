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

/** Files without single accesses: what drives the machine, what is compared, where stores go. */
class BaseReplayTest {
  private static final int DEVICE = 0x10;
  private static final int WALKER = 0x08;

  @TempDir Path folder;
  private final SmallGuest guest = new SmallGuest();

  private World replay(TraceWriter writer, String... options) {
    Path file = writer.end().compressTo(folder.resolve("t.zst"));
    return World.replay(file, World.defaultTlb(), options);
  }

  private World same(TraceWriter writer, String... options) {
    World world = replay(writer, options);
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

  // ---- accesses ----

  @Test
  void fillsAreAccesses() {
    TraceWriter writer = guest.base().fill(0, 0x5123, 0x10_5123);
    World world = same(writer.fill(SmallGuest.WRITE, 0x6000, 0x10_6000));
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(2);
    assertThat(world.report.ratesMeaningful()).isFalse();
    assertThat(world.report.facts().get("recording").toString()).contains("misses of the recorder");
  }

  @Test
  void fillThatReachesAnotherPlaceIsExplained() {
    differs(
        guest.base().fill(0, 0x5123, 0x10_7123),
        "record 9: supervisor read at 0x5123",
        "reached 0x105123, recorded is 0x107123",
        "level 1  index   5",
        "maps frame 0x105");
  }

  @Test
  void fillThatFaultsIsExplained() {
    guest.table[5] = 0;
    differs(guest.base().fill(4, 0x5000, 0x10_5000), "#PF", "0x4", "refused by NOT_PRESENT");
  }

  @Test
  void faultsMustHappenWithTheirErrorCode() {
    guest.table[5] = 0;
    guest.table[6] &= ~2;
    TraceWriter writer = guest.base().fault(4, 0x4, 0x5008, 0x7000).fault(5, 0x7, 0x6008, 0x7000);
    World world = same(writer.fill(0, 0x6000, 0x10_6000));
    assertThat(world.counted(HwEvent.PAGE_FAULTS)).isEqualTo(2);
  }

  @Test
  void faultWithAnotherErrorCodeIsADifference() {
    guest.table[6] &= ~2;
    differs(guest.base().fault(5, 0x5, 0x6008, 0x7000), "#PF, error code 0x7", "0x5", "READ_ONLY");
  }

  @Test
  void faultThatDoesNotHappenIsADifference() {
    differs(guest.base().fault(5, 0x7, 0x6008, 0x7000), "reached 0x106008", "#PF, error code 0x7");
  }

  @Test
  void afterAFaultTheRestOfTheBlockRuns() {
    guest.table[5] = 0;
    TraceWriter writer = guest.base();
    for (int i = 0; i < 10_000; i++) {
      writer.fault(4, 0x4, 0x5008, 0x7000).fill(0, 0x6000, 0x10_6000);
    }
    World world = replay(writer.fill(0, 0x6000, 0x10_7000));
    assertThat(world.report.differences()).isEqualTo(1);
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(10_001);
  }

  // ---- page-table stores ----

  @Test
  void storeGoesThroughThePageThatAWriteWasSeenToUse() {
    TraceWriter writer = guest.base().fill(SmallGuest.WRITE, SmallGuest.entryAt(9), 0x4048);
    writer.ptstore(0, SmallGuest.entry(5), 8, 0x20_0067, 1).number(Tag.INVLPG, 0x5000);
    World world = same(writer.fill(0, 0x5000, 0x20_0000));
    assertThat(world.fact("  by a page seen before")).isEqualTo(1);
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(3);
  }

  @Test
  void storeGoesThroughAnOlderPageWhenTheNewestIsNoLongerMapped() {
    guest.table[7] = guest.table[3];
    TraceWriter writer = guest.base().fill(SmallGuest.WRITE, SmallGuest.entryAt(9), 0x4048);
    writer.fill(SmallGuest.WRITE, 0x7048, 0x4048).ptstore(0, SmallGuest.entry(7), 8, 0, 1);
    writer.number(Tag.INVLPG, 0x7000).ptstore(0, SmallGuest.entry(5), 8, 0x20_0067, 1);
    World world = same(writer.fault(1, 2, 0x7000, 0));
    assertThat(world.fact("  by a page seen before")).isEqualTo(2);
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(0x20_0067);
  }

  @Test
  void storeOfAnUnseenFrameGoesWhereTheTablesMapIt() {
    World world = same(guest.base().ptstore(0, SmallGuest.entry(5), 4, 0x20_0067, 3));
    assertThat(world.fact("  by searching the tables")).isEqualTo(3);
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(3);
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(0x0020_0067_0020_0067L);
  }

  @Test
  void storeThatNoPageLeadsToIsADevices() {
    guest.table[3] &= ~2;
    World world = same(guest.base().ptstore(0, SmallGuest.entry(5), 8, 42, 1));
    assertThat(world.fact("  that nothing maps")).isEqualTo(1);
    assertThat(world.counted(HwEvent.ACCESSES)).isZero();
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(42);
  }

  @Test
  void storesByTheWalkerAreNotExecuted() {
    World world = same(guest.base().ptstore(WALKER, SmallGuest.entry(5), 8, 42, 1));
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(guest.table[5]);
  }

  @Test
  void storesByDevicesPassByTheGuest() {
    TraceWriter writer = guest.base().fill(0, 0x6000, 0x10_6000);
    World world = same(writer.ptstore(DEVICE, SmallGuest.entry(5), 8, 42, 2));
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(1);
    assertThat(memory(world, SmallGuest.entry(6))).isEqualTo(42);
    assertThat(world.fact("stores by devices")).isEqualTo(2);
  }

  @Test
  void retiredPagesKeepTheirContent() {
    World world = same(guest.base().number(Tag.RETIRE, SmallGuest.TABLE));
    assertThat(memory(world, SmallGuest.entry(5))).isEqualTo(guest.table[5]);
  }

  // ---- registers ----

  @Test
  void registerTheRecorderSawTooEarlyIsNotLoaded() {
    TraceWriter writer = TraceWriter.base(SmallGuest.RAM).number(Tag.EFER, 0x900);
    writer.number(Tag.EFER_IMPLICIT, 0).number(Tag.TICK, 0);
    World world = same(writer);
    assertThat(world.domain.vcpu(0).registers().efer).isEqualTo(0x900);
  }

  @Test
  void impossibleWriteIsADifference() {
    differs(TraceWriter.base(SmallGuest.RAM).number(Tag.CR0, 0x8000_0010L), "MOV_CR0", "#GP");
  }

  /** PAE: the MOV to CR0 that turns paging on reads the table that the next record announces. */
  private static TraceWriter pae(long... pdptes) {
    TraceWriter writer = TraceWriter.base(SmallGuest.RAM).number(Tag.CR4, 0x20);
    writer.number(Tag.CR3, 0x1000).number(Tag.CR0, 0x8001_0011L);
    long[] table = new long[512];
    System.arraycopy(new long[] {0x2001, 0, 0x3001, 0}, 0, table, 0, 4);
    writer.pdpte(pdptes[0], pdptes[1], pdptes[2], pdptes[3]).ptpage(1, 5, table);
    return writer.tick(1).number(Tag.INVLPG, 0);
  }

  @Test
  void registerWritesWaitForTheTableTheyName() {
    World world = same(pae(0x2001, 0, 0x3001, 0));
    assertThat(world.fact("PDPTE loads compared")).isEqualTo(1);
  }

  @Test
  void otherPdpteRegistersAreADifference() {
    differs(pae(0x2001, 0x5001, 0x3001, 0), "PDPTE register 1 is 0x0, recorded is 0x5001");
  }

  // ---- check-ad ----

  @Test
  void tablesThatChangeAlikePassTheCheck() {
    guest.table[5] = 0x10_5007;
    TraceWriter writer = guest.base().ptstore(WALKER, SmallGuest.entry(5), 8, 0x10_5067, 1);
    writer.fill(SmallGuest.WRITE, 0x5000, 0x10_5000);
    writer.ptstore(0, SmallGuest.entry(6), 8, 0x20_0067, 1).fill(0, 0x7000, 0x10_7000);
    World world = same(writer, "check-ad", "true");
    assertThat(world.fact("table entries compared")).isGreaterThan(4 * 512);
  }

  private World checked(TraceWriter writer) {
    return World.replay(writer.end().compressTo(folder.resolve("t.zst")), null, "check-ad", "true");
  }

  @Test
  void checkFindsAnAccessedBitThatOnlyTheMachineSet() {
    guest.table[5] = 0x10_5007;
    World world = checked(guest.base().fill(0, 0x5000, 0x10_5000));
    assertThat(world.report.explanations().get(0))
        .contains("entry at 0x4028 is 0x105027", "recorded is 0x105007");
  }

  @Test
  void checkFindsADirtyBitThatOnlyTheRecordingSet() {
    guest.table[5] = 0x10_5027;
    TraceWriter writer = guest.base().ptstore(WALKER, SmallGuest.entry(5), 8, 0x10_5067, 1);
    World world = checked(writer.fill(0, 0x5000, 0x10_5000));
    assertThat(world.report.explanations().get(0))
        .contains("entry at 0x4028 is 0x105027", "recorded is 0x105067");
  }

  @Test
  void checkFindsAtTheEndWhatIsOnNoWalk() {
    TraceWriter writer = guest.base().ptstore(WALKER, SmallGuest.entry(8), 8, 0x20_0067, 1);
    World world = checked(writer.fill(0, 0x5000, 0x10_5000));
    assertThat(world.report.explanations())
        .singleElement()
        .asString()
        .contains("0x4040", "0x200067");
  }

  /** The guest clears A and D of the page that it writes through: here the next store walks. */
  @Test
  void bitsThatAStoreSetsEarlyAreExcusedUntilTheRecordingHasThem() {
    TraceWriter writer = guest.base().fill(SmallGuest.WRITE, SmallGuest.entryAt(9), 0x4048);
    writer.ptstore(0, SmallGuest.entry(3), 8, 0x4007, 1);
    writer.ptstore(0, SmallGuest.entry(9), 8, 0x10_9067, 1).fill(0, 0x5000, 0x10_5000);
    writer.ptstore(WALKER, SmallGuest.entry(3), 8, 0x4067, 1);
    World world = checked(writer.fill(SmallGuest.WRITE, 0x3000, 0x4000));
    assertThat(world.report.explanations()).isEmpty();
    assertThat(world.fact("  A or D set early by a store")).isEqualTo(1);
  }

  /**
   * The guest clears A and D without invalidation: the recorder walked again, a larger TLB hits.
   */
  @Test
  void bitsThatALiveEntrySparesAreExcused() {
    TraceWriter writer = guest.base().fill(SmallGuest.WRITE, 0x5000, 0x10_5000);
    writer.ptstore(0, SmallGuest.entry(5), 8, 0x10_5007, 1);
    writer.ptstore(WALKER, SmallGuest.entry(5), 8, 0x10_5067, 1);
    writer.fill(SmallGuest.WRITE, 0x5000, 0x10_5000);
    World world = same(writer, "check-ad", "true");
    assertThat(world.fact("  A or D spared by a live TLB entry")).isPositive();
  }
}
