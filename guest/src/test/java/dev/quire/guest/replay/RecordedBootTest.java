// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.guest.trace.TraceCopy;
import dev.quire.guest.trace.Traces;
import dev.quire.hw.machine.X86MachineFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real kernels do here what they did when they were recorded. */
class RecordedBootTest {
  private static void assertSame(Path trace, @Nullable TlbGeometry tlb, String... options) {
    World world = World.replay(trace, tlb, options);
    assertThat(world.report.explanations()).isEmpty();
    assertThat(world.report.differences()).isZero();
  }

  /** Without caching, and in every preset. */
  private static List<@Nullable TlbGeometry> everyTlb() {
    List<@Nullable TlbGeometry> all = new ArrayList<>();
    all.add(null);
    new X86MachineFactory().presets().values().forEach(preset -> all.add(preset.geometry()));
    return all;
  }

  @ParameterizedTest
  @ValueSource(strings = {"linux-amd64-4level-nopti.small", "linux-amd64-5level-pku.small"})
  void exampleWindows(String name) {
    assertSame(Traces.example(name), null);
    assertSame(Traces.example(name), World.defaultTlb());
    for (TlbGeometry tlb : everyTlb()) {
      assertSame(Traces.example(name), tlb, "until", "150000");
    }
  }

  @Test
  void exampleBoot() {
    World world = World.replay(Traces.example("linux-686-2level.base"), World.defaultTlb());
    assertThat(world.report.explanations()).isEmpty();
    assertThat(world.report.differences()).isZero();
    assertThat(world.report.ratesMeaningful()).isFalse();
    assertThat(world.fact("instructions")).isEqualTo(8_939_155_246L);
    assertThat(world.fact("page-table stores")).isEqualTo(4_175_030 - 3_336);
    assertThat(world.fact("  that nothing maps")).isZero();
  }

  @Test
  void exampleBootWithoutCachingLeavesTheSamePageTables() {
    assertSame(
        Traces.example("linux-686-2level.base"), null, "check-ad", "true", "until", "250000");
  }

  /** That nothing differs means something only if a recording that is a little wrong does. */
  @Test
  void bootWithAStoreInAThousandLeftOutDiffers(@TempDir Path folder) {
    Path damaged = folder.resolve("damaged.zst");
    AtomicInteger stores = new AtomicInteger();
    TraceCopy.base(
        Traces.example("linux-686-2level.base"),
        damaged,
        300_000,
        (tag, reader) ->
            tag != dev.quire.guest.trace.Tag.PTSTORE
                || reader.storedByWalker()
                || stores.incrementAndGet() % 1000 != 0);
    World world = World.replay(damaged, World.defaultTlb());
    assertThat(world.report.differences()).isPositive();
  }

  @Test
  void copiedBootIsTheSame(@TempDir Path folder) {
    Path copy = folder.resolve("copy.zst");
    TraceCopy.base(Traces.example("linux-686-2level.base"), copy, 300_000, (tag, reader) -> true);
    assertSame(copy, World.defaultTlb());
  }

  @Tag("long")
  @ParameterizedTest
  @ValueSource(
      strings = {
        "linux-686-2level",
        "linux-686pae-3level-pti",
        "linux-amd64-4level-nopti",
        "linux-amd64-5level-pku",
        "memtest86plus-ia32-pae",
        "memtest86plus-x64-4level"
      })
  void wholeBootsAndTheirPageTables(String name) {
    Path trace = Traces.recorded(name + ".base");
    for (TlbGeometry tlb : everyTlb()) {
      assertSame(trace, tlb, "check-ad", "true");
    }
  }

  @Tag("long")
  @ParameterizedTest
  @ValueSource(
      strings = {
        "linux-686-2level.small",
        "linux-686-2level.win1",
        "linux-686pae-3level-pti.small",
        "linux-686pae-3level-pti.win1",
        "linux-amd64-4level-nopti.small",
        "linux-amd64-4level-nopti.win1",
        "linux-amd64-4level-nopti.win3",
        "linux-amd64-5level-pku.small",
        "linux-amd64-5level-pku.win1"
      })
  void windows(String name) {
    for (TlbGeometry tlb : everyTlb()) {
      assertSame(Traces.recorded(name), tlb, "check-ad", "true");
    }
  }
}
