// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Options of the workload: one walk explained, and runs that end early. */
class ExplanationTest {
  private static final int FIRST = 9;

  @TempDir Path folder;
  private Path base = Path.of("");
  private Path window = Path.of("");

  @BeforeEach
  void record() {
    TraceWriter writer = new SmallGuest().base().fill(0, 0x5000, 0x10_5000).tick(3000);
    writer.ptstore(0, SmallGuest.entry(6), 8, 0x20_0067, 1).fill(5, 0x6008, 0x20_0008);
    writer.tick(3000).number(Tag.CR3, 0x1000).fault(4, 4, 0x40_0000, 0);
    base = writer.end().compressTo(folder.resolve("base.zst"));
    TraceWriter accesses = new SmallGuest().window();
    for (int i = 0; i < 100; i++) {
      accesses.access(0, true, 1, (5 + i) * 4096L, (0x105 + i) * 4096L);
    }
    window = accesses.end().compressTo(folder.resolve("window.zst"));
  }

  private static WorkloadReport explain(Path trace, String... options) {
    return World.replay(trace, World.defaultTlb(), options).report;
  }

  private static String walk(WorkloadReport report) {
    return String.join("\n", report.explanations());
  }

  @Test
  void walkOfARecordIsAsItWasThen() {
    WorkloadReport before = explain(base, "at", String.valueOf(FIRST), "va", "6000");
    assertThat(walk(before)).contains("level 4", "level 1", "maps frame 0x106");
    WorkloadReport report = explain(base, "at", String.valueOf(FIRST + 3));
    assertThat(walk(report)).contains("maps frame 0x200");
    assertThat(report.facts())
        .containsEntry("record", FIRST + 3L)
        .containsEntry("kind of record", "FILL")
        .containsEntry("access", "user write at 0x6008")
        .containsEntry("recorded", "0x200008");
  }

  @Test
  void walkOfAStoreIsTheOneItWouldMake() {
    WorkloadReport report = explain(base, "at", String.valueOf(FIRST + 2));
    assertThat(report.facts()).containsEntry("access", "supervisor write (AC) at 0x3030");
    assertThat(walk(report)).contains("maps frame 0x4");
  }

  @Test
  void walkOfAFaultNamesTheRule() {
    WorkloadReport report = explain(base, "at", String.valueOf(FIRST + 6));
    assertThat(walk(report)).contains("refused by NOT_PRESENT at level 2");
    assertThat(report.facts().get("recorded").toString()).contains("#PF, error code 0x4");
  }

  @Test
  void walkOfAnAccessInTheMiddleOfARun() {
    WorkloadReport report = explain(window, "at", String.valueOf(FIRST + 37));
    assertThat(report.facts()).containsEntry("access", "user read at 0x2a000");
    assertThat(walk(report)).contains("maps frame 0x12a");
  }

  @Test
  void recordNearestToAnInstruction() {
    assertThat(explain(base, "instruction", "0").facts()).containsEntry("record", 0L + FIRST);
    assertThat(explain(base, "instruction", "2900").facts()).containsEntry("record", FIRST + 3L);
    assertThat(explain(base, "instruction", "999999").facts()).containsEntry("record", FIRST + 6L);
  }

  @Test
  void recordWithoutAddressNeedsOne() {
    String record = String.valueOf(FIRST + 5);
    assertThatThrownBy(() -> explain(base, "at", record))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("record 14 is CR3")
        .hasMessageContaining("va");
    assertThat(walk(explain(base, "at", record, "va", "0x7000"))).contains("maps frame 0x107");
  }

  @Test
  void recordBehindTheEndIsRefused() {
    assertThatThrownBy(() -> explain(base, "at", "1000"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("base.zst")
        .hasMessageContaining("no record 1000");
  }

  @Test
  void runEndsAfterSoManyRecords() {
    assertThat(explain(base, "until", "10").facts()).containsEntry("records", 10L);
    assertThat(explain(window, "until", "50").facts())
        .containsEntry("records", 50L)
        .containsEntry("accesses recorded", 50L - FIRST);
  }

  @Test
  void runEndsWhenItsMonitorSaysSo() {
    TraceWriter writer = new SmallGuest().base();
    for (int i = 0; i < 3_000_000; i++) {
      writer.fill(0, 0x5000 + (i & 0x7000), 0x10_5000 + (i & 0x7000));
    }
    Path file = writer.end().compressTo(folder.resolve("long.zst"));
    AtomicInteger calls = new AtomicInteger();
    try (Workload workload = new ReplayFactory().open(Map.of("trace", file.toString()))) {
      WorkloadReport report =
          workload.run(
              Host.bare(null).domain(workload.needs()),
              Toolstack.NONE,
              (done, total) -> {
                assertThat(done).isBetween(0L, total);
                return calls.incrementAndGet() < 1;
              });
      assertThat(calls).hasValue(1);
      assertThat((Long) report.facts().get("records")).isLessThan(3_000_000L);
    }
  }

  @Test
  void damageIsReportedWithItsPlace() {
    byte[] bytes = new SmallGuest().base().fill(0, 0x5000, 0x10_5000).bytes();
    Path cut = TraceWriter.compress(bytes, folder.resolve("cut.zst"));
    assertThatThrownBy(() -> explain(cut))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("cut.zst")
        .hasMessageContaining("at byte " + bytes.length);
  }
}
