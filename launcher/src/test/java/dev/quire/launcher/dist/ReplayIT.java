// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.quire.launcher.dist.Distribution.Ended;
import dev.quire.launcher.host.TestJar;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Recorded guests through the whole of Quire: script, framework, bundles, machine, reports. */
class ReplayIT {
  private static final String SMALL = "traces/linux-amd64-4level-nopti.small.zst";
  private static final String PKU = "traces/linux-amd64-5level-pku.small.zst";
  private static final String BOOT = "traces/linux-686-2level.base.zst";

  /** The whole recordings, where the source tree lies beside them. */
  private static final Path RECORDINGS = Path.of("../../shared/traces");

  @TempDir Path folder;
  private final Distribution assembled = Distribution.assembled();

  private String example(String name) {
    return assembled.examples().resolve(name).toString();
  }

  @Test
  void mainJobReproducesTheWholeBoot() throws Exception {
    Ended ended =
        assembled.run(folder, "run", example("launch/linux-boot.conf"), "--json", "a.json");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out())
        .contains("RESULT  0 differences", "Intel Skylake", "native  (dev.quire.hypervisor 0.1.0)")
        .contains("no rates")
        .contains("page-faults 47,146");
    assertThat(folder.resolve("a.json"))
        .content()
        .contains("\"differences\" : 0", "\"rates-meaningful\" : false");
  }

  @Test
  void sameSeedGivesTheSameBytes() throws Exception {
    String config = example("launch/tlb-study.conf");
    String random = "machine.tlb.replacement=random";
    for (String name : new String[] {"one.json", "two.json"}) {
      Ended ended =
          assembled.run(
              folder, "run", config, "--set", random, "--seed", "7", "--until", "100000", "--json",
              name);
      assertThat(ended.err()).isEmpty();
      assertThat(ended.code()).isZero();
      assertThat(ended.out()).contains("hit rate");
    }
    assertThat(folder.resolve("one.json")).hasSameBinaryContentAs(folder.resolve("two.json"));
    Ended other =
        assembled.run(
            folder, "run", config, "--set", random, "--seed", "8", "--until", "100000", "--json",
            "s.json");
    assertThat(other.code()).isZero();
    assertThat(Files.readString(folder.resolve("s.json")).replace("\"seed\" : 8", "\"seed\" : 7"))
        .as("another seed chooses other victims")
        .isNotEqualTo(Files.readString(folder.resolve("one.json")));
  }

  /** On every core that there is a preset of: the guests' own tests. */
  @Test
  void windowsAreReproducedOnAnotherCore() throws Exception {
    Ended ended =
        assembled.run(
            folder,
            "replay",
            example(SMALL),
            example(PKU),
            "--until",
            "200000",
            "--set",
            "machine.tlb.preset=zen2");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out().lines())
        .hasSize(3)
        .allMatch(line -> line.contains(" 0 differences"))
        .anyMatch(line -> line.startsWith("2 traces"));
  }

  /** In the framework: the bundle is found, the p2m built, the report says what it was. */
  @ParameterizedTest
  @CsvSource({"intel, hap-ept, ept", "amd, hap-npt, x86"})
  void guestsUnderHardwareAssistedPagingNoticeNothing(String vendor, String backend, String format)
      throws Exception {
    Ended ended =
        assembled.run(
            folder,
            "run",
            example("launch/linux-boot-hap.conf"),
            "--set",
            "machine.vendor=" + vendor,
            "--set",
            "workload.trace=" + example(SMALL),
            "--until",
            "50000",
            "--json",
            "hap.json");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out())
        .contains("RESULT  0 differences", backend + "  (dev.quire.paging-hap 0.1.0)")
        .contains("p2m                      " + format + ", 4 levels");
    assertThat(folder.resolve("hap.json"))
        .content()
        .contains("\"placement\" : \"scattered\"", "\"format\" : \"" + format + "\"");
  }

  @Test
  void machineWithoutTheFeatureFallsBackOrEndsTheLaunchAsTheConfigurationSays() throws Exception {
    String[] launch = {
      "run",
      example("launch/linux-boot-hap.conf"),
      "--set",
      "workload.trace=" + example(SMALL),
      "--until",
      "20000",
      "--set",
      "machine.features=[all, -ept]"
    };
    Ended stopped = assembled.run(folder, launch);
    assertThat(stopped.code()).isEqualTo(2);
    assertThat(stopped.err())
        .contains("linux-boot-hap.conf:", "paging.backend: hap-ept needs a CPU with ept");
    List<String> fallback = new ArrayList<>(List.of(launch));
    fallback.addAll(
        List.of("--set", "paging.fallback=native", "--set", "domain.placement=identity"));
    Ended served = assembled.run(folder, fallback.toArray(String[]::new));
    assertThat(served.err()).isEmpty();
    assertThat(served.out()).contains("RESULT  0 differences", "native  (dev.quire.hypervisor");
  }

  @Test
  void pageTableMemoryIsThatOfTheRecording() throws Exception {
    Ended ended =
        assembled.run(
            folder,
            "replay",
            "--check-ad",
            "--until",
            "50000",
            example(BOOT),
            "--set",
            "machine.caching=off");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.out()).contains(" 0 differences");
    assertThat(ended.code()).isZero();
  }

  @Test
  void disturbedGuestUnderNestedPagingIsTheSameAndSoIsItsReport() throws Exception {
    for (String name : new String[] {"one.json", "two.json"}) {
      Ended ended =
          assembled.run(
              folder,
              ("replay --paging hap-npt --disturb 3 --disturb-every 500 --swap-every 5000"
                      + " --until 60000 --set domain.largest-page=2M"
                      + " --set machine.features=[both-vendors] --json "
                      + name
                      + " "
                      + example(SMALL))
                  .split(" "));
      assertThat(ended.err()).isEmpty();
      assertThat(ended.out()).contains(" 0 differences");
      assertThat(ended.code()).isZero();
    }
    assertThat(folder.resolve("one.json")).hasSameBinaryContentAs(folder.resolve("two.json"));
    assertThat(folder.resolve("one.json"))
        .content()
        .contains("\"hap-npt to hap-ept\" : ", "\"frames that had to be dirty\" : ");
  }

  @Test
  void swapsThatCannotBeAreRefused() throws Exception {
    Ended ended =
        assembled.run(
            folder, "replay", "--swap-every", "100", "--swap-among", "native", example(SMALL));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).startsWith("quire: swap-every: ").hasLineCount(1);
  }

  /** Each of the recordings on each core that there is a preset of, and on none. */
  @Tag("long")
  @ParameterizedTest
  @ValueSource(
      strings = {
        "machine.caching=off",
        "machine.tlb.preset=sandy-bridge",
        "machine.tlb.preset=haswell",
        "machine.tlb.preset=skylake",
        "machine.tlb.preset=ice-lake",
        "machine.tlb.preset=zen2",
        "machine.tlb.preset=tiny"
      })
  void everyRecordingIsReproduced(String setting) throws Exception {
    assumeThat(RECORDINGS).as("recordings beside the source tree").exists();
    List<String> arguments = new ArrayList<>(List.of("replay", "--set", setting));
    arguments.addAll(recordings());
    Ended ended = assembled.run(folder, arguments.toArray(String[]::new));
    assertThat(ended.err()).isEmpty();
    assertThat(ended.out().lines()).allMatch(line -> line.contains(" 0 differences"));
    assertThat(ended.code()).isZero();
  }

  private static List<String> recordings() throws IOException {
    try (Stream<Path> files = Files.list(RECORDINGS)) {
      return files
          .map(it -> it.toAbsolutePath().normalize().toString())
          .filter(it -> it.matches(".*/(linux|memtest)[^/]*\\.zst"))
          .sorted()
          .toList();
    }
  }

  @Test
  void oneWalkIsExplainedEntryByEntry() throws Exception {
    Ended ended = assembled.run(folder, "explain", "--trace", example(SMALL), "--instruction", "1");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out()).contains("record: ", "level 4  index ", "maps frame 0x");
    Ended nowhere =
        assembled.run(
            folder,
            "explain",
            "--trace",
            example(SMALL),
            "--at",
            "1000",
            "--va",
            "0xffff8000deadb000");
    assertThat(nowhere.code()).isZero();
    assertThat(nowhere.out()).contains("refused by NOT_PRESENT");
  }

  @Test
  void cutRecordingIsNamedWithTheByte() throws Exception {
    byte[] whole = Files.readAllBytes(Path.of(example(SMALL)));
    Path cut = Files.write(folder.resolve("cut.zst"), Arrays.copyOf(whole, whole.length / 10));
    Ended ended = assembled.run(folder, "replay", "cut.zst");
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).startsWith("quire: " + cut.getFileName() + ": ").contains("byte");
    assertThat(ended.err()).hasLineCount(1);
  }

  @Test
  void unknownOptionOfTheWorkloadIsNamedWithItsPlace() throws Exception {
    Path config =
        Files.writeString(
            folder.resolve("x.conf"), "workload {\n  trace = a.zst\n  speed = high\n}\n");
    Ended ended = assembled.run(folder, "run", config.toString());
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).startsWith("quire: " + config + ":2: workload: ").contains("speed");
  }

  @Test
  void cacheOfAThirdPartyStandsInForTheTlbs() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.cache("third.party.Nothing", "nothing").in(mine.plugins(), "nothing.jar");
    Ended ended =
        mine.run(
            folder, "replay", "--until", "100000", example(PKU), "--set", "machine.cache=nothing");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out()).contains(" 0 differences");
    Ended missing = mine.run(folder, "replay", example(PKU), "--set", "machine.cache=something");
    assertThat(missing.code()).isEqualTo(2);
    assertThat(missing.err())
        .isEqualTo(
            "quire: --set machine.cache=something: machine.cache: no translation cache \"something\";"
                + " there are: nothing (nothing 0.0.0)\n");
  }

  @Test
  void interruptedRunLeavesNothingBehind() throws Exception {
    Process process = assembled.start(folder, "replay", example(BOOT));
    try {
      while (process.isAlive() && Distribution.isEmpty(folder)) {
        Thread.sleep(10);
      }
      process.destroy();
      process.waitFor();
      assertThat(Distribution.isEmpty(folder)).isTrue();
    } finally {
      process.destroyForcibly();
    }
  }
}
