// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.HwEvent;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store that no page was seen for finds the page that the tables map, in every format. */
class TableSearchTest {
  private static final long TABLE = 0x67;
  private static final long LARGE = 0xE7;

  @TempDir Path folder;

  private static TraceWriter paged(long cr4, boolean longMode) {
    TraceWriter writer = TraceWriter.base(SmallGuest.RAM).number(Tag.CR4, cr4);
    writer.number(Tag.CR3, 0x1000);
    if (longMode) {
      writer.number(Tag.EFER, 0x900);
    }
    return writer.number(Tag.CR0, 0x8001_0011L);
  }

  private static long[] page(int index, long entry) {
    long[] page = new long[512];
    page[index] = entry;
    return page;
  }

  private void found(TraceWriter writer, int page) {
    writer.ptstore(0, page * 4096L + 8, 4, 0, 1);
    World world =
        World.replay(writer.end().compressTo(folder.resolve("t.zst")), World.defaultTlb());
    assertThat(world.report.explanations()).isEmpty();
    assertThat(world.fact("  by searching the tables")).isEqualTo(1);
    assertThat(world.counted(HwEvent.ACCESSES)).isEqualTo(1);
  }

  @Test
  void twoLevelsWithA4MibPage() {
    found(paged(0x10, false).ptpage(1, 1, page(256, LARGE << 32)), 1);
  }

  @Test
  void threeLevelsWithA2MibPage() {
    TraceWriter writer = paged(0x20, false).ptpage(1, 5, page(3, 0x2001));
    found(writer.ptpage(2, 1, page(511, LARGE)), 2);
  }

  @Test
  void fourLevelsWithA1GibPage() {
    TraceWriter writer = paged(0x20, true).ptpage(1, 3, page(256, 0x2000 | TABLE));
    found(writer.ptpage(2, 2, page(7, LARGE)), 2);
  }

  @Test
  void fiveLevelsAtTheTopOfTheAddressSpace() {
    TraceWriter writer = paged(0x1020, true).ptpage(1, 4, page(511, 0x2000 | TABLE));
    writer.ptpage(2, 3, page(511, 0x3000 | TABLE)).ptpage(3, 2, page(511, 0x4000 | TABLE));
    writer.ptpage(4, 1, page(511, 0x5000 | TABLE));
    found(writer.ptpage(5, 0, page(511, 0x5000 | TABLE)), 5);
  }

  @Test
  void readOnlyMappingsArePassedOver() {
    long[] level1 = page(0, 0x4000 | TABLE & ~2);
    level1[9] = 0x4000 | TABLE;
    TraceWriter writer = paged(0x20, true).ptpage(1, 3, page(0, 0x2000 | TABLE));
    writer.ptpage(2, 2, page(0, 0x3000 | TABLE)).ptpage(3, 1, page(0, 0x4000 | TABLE));
    found(writer.ptpage(4, 0, level1), 4);
  }

  /** Both slots of the root refer to the root: a way into every table, many times over. */
  @Test
  void tablesThatReferToEachOtherEnd() {
    long[] root = page(510, 0x1000 | TABLE);
    root[511] = 0x1000 | TABLE;
    TraceWriter writer = paged(0x20, true).ptpage(1, 3, root);
    found(writer, 1);
  }
}
