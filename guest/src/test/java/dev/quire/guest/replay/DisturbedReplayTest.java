// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.guest.trace.TraceWriter;
import dev.quire.guest.trace.Traces;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Real kernels under nested paging, and while their memory is changed underneath them. */
class DisturbedReplayTest {
  private static final String WINDOW = "linux-amd64-4level-nopti.small";
  private static final String PKU = "linux-amd64-5level-pku.small";
  private static final String BOOT = "linux-686-2level.base";

  @TempDir Path folder;

  private static World same(Host host, Path trace, String... options) {
    World world = World.replay(host, trace, options);
    assertThat(world.report.explanations()).isEmpty();
    assertThat(world.report.differences()).isZero();
    return world;
  }

  private static long sum(World world, String fact) {
    return (Long) world.report.facts().getOrDefault(fact, 0L);
  }

  @ParameterizedTest
  @CsvSource({"hap-npt,0", "hap-npt,9", "hap-ept,0", "hap-ept,9"})
  void windowsUnderNestedPaging(String backend, int order) {
    TlbGeometry tlb = order == 0 ? World.defaultTlb() : null;
    same(Host.nested(backend, order, tlb), Traces.example(WINDOW), "until", "100000");
    same(Host.nested(backend, order, tlb), Traces.example(PKU), "until", "100000");
  }

  @Test
  void windowUnderNestedPagingLeavesTheSamePageTables() {
    Host host = Host.nested("hap-npt", 9, World.defaultTlb());
    same(host, Traces.example(WINDOW), "check-ad", "true", "until", "300000");
  }

  @ParameterizedTest
  @CsvSource({"hap-npt,0", "hap-ept,9"})
  void bootUnderNestedPagingLeavesTheSamePageTables(String backend, int order) {
    for (TlbGeometry tlb : new TlbGeometry[] {null, World.defaultTlb()}) {
      same(
          Host.nested(backend, order, tlb),
          Traces.example(BOOT),
          "check-ad",
          "true",
          "until",
          "50000");
    }
  }

  /** A guest that reads, writes and changes its mappings, 30,000 times. */
  private Path busyGuest() {
    SmallGuest guest = new SmallGuest();
    TraceWriter writer = guest.window();
    long now = guest.table[5];
    for (int i = 0; i < 30_000; i++) {
      int page = 8 + i * 7 % 400;
      writer.access(i % 3, i % 2 == 0, 4, page * 4096L, (0x100 + page) * 4096L);
      if (i % 50 == 0) {
        now ^= 0x1000;
        writer.access(1, false, 8, SmallGuest.entryAt(5), SmallGuest.entry(5));
        writer.ptstore(0, SmallGuest.entry(5), 8, now & ~0x60, 1);
        writer.number(dev.quire.guest.trace.Tag.INVLPG, 0x5000);
        writer.access(1, true, 1, 0x5000, now & ~0xfffL);
      }
    }
    return writer.end().compressTo(folder.resolve("busy.zst"));
  }

  @ParameterizedTest
  @CsvSource({"0", "9"})
  void backendsAreSwappedHundredsOfTimes(int order) {
    Host host = Host.nested("hap-npt", order, World.defaultTlb());
    World world = same(host, busyGuest(), "swap-every", "90");
    assertThat(sum(world, "  backend swaps")).isGreaterThan(300);
    assertThat(sum(world, "    hap-npt to hap-ept")).isGreaterThan(150);
    assertThat(sum(world, "audits")).isEqualTo(sum(world, "  backend swaps"));
  }

  @Test
  void bareMachineAndNestedPagingTakeTurns() {
    Host host = Host.nested("native", 9, World.defaultTlb()).placed(Placement.IDENTITY);
    World world = same(host, busyGuest(), "swap-every", "90");
    assertThat(sum(world, "  backend swaps")).isGreaterThan(300);
    assertThat(world.report.facts().keySet())
        .contains("    native to hap-npt", "    native to hap-ept", "    hap-npt to native")
        .contains("    hap-ept to native", "    hap-ept to hap-npt");
  }

  @Test
  void recordedWindowIsTheSameUnderBackendsThatTakeTurns() {
    Host host = Host.nested("hap-ept", 9, World.defaultTlb());
    same(host, Traces.example(PKU), "swap-every", "5000", "until", "100000");
  }

  @ParameterizedTest
  @CsvSource({"hap-npt,0,1", "hap-ept,0,2", "hap-ept,9,3"})
  void busyGuestIsTheSameThoughItIsDisturbedAllTheTime(String backend, int order, String seed) {
    Host host = Host.nested(backend, order, World.defaultTlb());
    String[] options = {"disturb", seed, "disturb-every", "50", "swap-every", "500"};
    assertDisturbed(same(host, busyGuest(), options), 30);
  }

  @ParameterizedTest
  @CsvSource({"hap-npt,1", "hap-ept,2"})
  void disturbedWindowIsTheSame(String backend, String seed) {
    World world =
        same(
            Host.nested(backend, 9, World.defaultTlb()),
            Traces.example(WINDOW),
            "disturb",
            seed,
            "disturb-every",
            "2000",
            "until",
            "60000");
    assertThat(sum(world, "disturbances")).isPositive();
  }

  @ParameterizedTest
  @CsvSource({"hap-npt,0,3", "hap-ept,9,4"})
  void disturbedBootLeavesTheSamePageTables(String backend, int order, String seed) {
    World world =
        same(
            Host.nested(backend, order, World.defaultTlb()),
            Traces.example(BOOT),
            "disturb",
            seed,
            "disturb-every",
            "1000",
            "check-ad",
            "true",
            "until",
            "30000");
    assertThat(sum(world, "disturbances")).isPositive();
  }

  private static void assertDisturbed(World world, int times) {
    List<String> kinds =
        List.of(
            "log-dirty operations",
            "questions about a tracked range",
            "type changes and recalculations",
            "superpage splits",
            "frames ballooned out or in",
            "frames remapped",
            "backend swaps");
    assertThat(kinds).allMatch(kind -> sum(world, "  " + kind) >= times);
    assertThat(sum(world, "  frames that had to be dirty")).isPositive();
    assertThat(sum(world, "  frames that were"))
        .isGreaterThanOrEqualTo(sum(world, "  frames that had to be dirty"));
  }

  @Test
  void sameSeedTellsTheSame() {
    Map<String, Object> first = facts("5");
    assertThat(facts("5")).isEqualTo(first);
    assertThat(facts("6")).isNotEqualTo(first);
  }

  private Map<String, Object> facts(String seed) {
    Host host = Host.nested("hap-ept", 9, World.defaultTlb());
    String[] options = {"disturb", seed, "disturb-every", "500"};
    return new TreeMap<>(same(host, busyGuest(), options).report.facts());
  }

  // ---- whole recordings ----

  private static List<String> bases() {
    return List.of(
        "linux-686-2level.base",
        "linux-686pae-3level-pti.base",
        "linux-amd64-4level-nopti.base",
        "linux-amd64-5level-pku.base",
        "memtest86plus-ia32-pae.base",
        "memtest86plus-x64-4level.base");
  }

  private static List<String> all() {
    List<String> all = new ArrayList<>(bases());
    for (String guest :
        List.of(
            "linux-686-2level",
            "linux-686pae-3level-pti",
            "linux-amd64-4level-nopti",
            "linux-amd64-5level-pku")) {
      all.add(guest + ".small");
      all.add(guest + ".win1");
    }
    all.add("linux-amd64-4level-nopti.win3");
    return all;
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("all")
  void wholeRecordingsUnderNestedPaging(String name) {
    for (String backend : List.of("hap-npt", "hap-ept")) {
      for (int order : new int[] {0, 18}) {
        for (@Nullable TlbGeometry tlb : new TlbGeometry[] {null, World.defaultTlb()}) {
          same(Host.nested(backend, order, tlb), Traces.recorded(name), "check-ad", "true");
        }
      }
    }
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("all")
  void wholeRecordingsDisturbed(String name) {
    World world =
        same(
            Host.nested("hap-ept", 9, World.defaultTlb()),
            Traces.recorded(name),
            "disturb",
            "7",
            "swap-every",
            "5000",
            "check-ad",
            "true");
    assertDisturbed(world, 10);
  }
}
