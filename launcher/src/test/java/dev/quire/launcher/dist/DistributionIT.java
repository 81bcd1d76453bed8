// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.dist;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.launcher.dist.Distribution.Ended;
import dev.quire.launcher.host.TestJar;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The distribution as a user meets it: the script, the bundles, plug-ins, exit codes. */
class DistributionIT {
  @TempDir Path folder;
  private final Distribution assembled = Distribution.assembled();

  private static String vectors(String name) {
    return Objects.requireNonNull(DistributionIT.class.getResource("/vectors/" + name)).getPath();
  }

  private Path config(String text) throws IOException {
    return Files.writeString(folder.resolve("x.conf"), text);
  }

  @Test
  void bundlesOfTheDistributionAreFoundAndNothingIsLeftInTheTemporaryDirectory() throws Exception {
    Ended ended = assembled.run(folder, "backends");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out())
        .contains("dev.quire.hw-x86 0.1.0", "dev.quire.hypervisor 0.1.0")
        .contains("  native  ", "features: ", "identity")
        .contains("skylake");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void presetsAreListedForScripts() throws Exception {
    Ended ended = assembled.run(folder, "backends", "--presets");
    assertThat(ended.code()).isZero();
    assertThat(ended.out().lines()).contains("skylake", "zen2").allMatch(it -> !it.contains(" "));
  }

  @Test
  void plainJarDroppedInIsOneMoreBackend() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.backend("third.party.Mine", "mine").in(mine.plugins(), "mine.jar");
    Ended ended = mine.run(folder, "backends");
    assertThat(ended.code()).isZero();
    assertThat(ended.out())
        .contains("  mine  mine 0.0.0  " + mine.plugins().resolve("mine.jar"))
        .contains("A backend of a third party.");
  }

  @Test
  void backendThatRefusesTheMachineIsAMistakeOfTheConfiguration() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.backend("third.party.Mine", "mine").in(mine.plugins(), "mine.jar");
    TestJar.workload("third.party.Busy", "busy").in(mine.plugins(), "busy.jar");
    Path config = config("paging.backend = mine\nworkload.kind = busy");
    Ended ended = mine.run(folder, "run", config.toString());
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .isEqualTo("quire: " + config + ":1: paging.backend: this backend serves nobody\n");
  }

  @Test
  void pluginForAnotherApiIsNamedAndTheCommandEndsWithTwo() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    Path jar =
        TestJar.backend("third.party.Mine", "mine")
            .bundle("third.party", "1.0.0", "dev.quire.api.paging;version=\"[7,8)\"")
            .in(mine.plugins(), "future.jar");
    Ended ended = mine.run(folder, "conform", vectors("native-pae.jsonl.gz"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err())
        .startsWith("quire: " + jar + ": bundle third.party does not resolve: needs package")
        .contains("7.0.0 or later")
        .hasLineCount(1);
  }

  @Test
  void missingMachineIsNamed() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    try (Stream<Path> bundles = Files.list(mine.bundles())) {
      for (Path jar : bundles.filter(it -> it.toString().contains("hw-x86")).toList()) {
        Files.delete(jar);
      }
    }
    Ended ended = mine.run(folder, "conform", vectors("native-pae.jsonl.gz"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("no bundle that was started provides machines");
  }

  @Test
  void workloadOfAThirdPartyRunsAndIsReported() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.workload("third.party.Busy", "busy").in(mine.plugins(), "busy.jar");
    Path config = config("workload { kind = busy }");
    Ended one = mine.run(folder, "run", config.toString(), "--json", "one.json");
    assertThat(one.err()).isEmpty();
    assertThat(one.code()).isZero();
    assertThat(one.out())
        .contains("RESULT  0 differences", "accesses-unpaged 100", "DONE", "Intel Skylake");
    Ended seeded = mine.run(folder, "run", config.toString(), "--json", "s.json", "--seed", "9");
    assertThat(seeded.code()).isZero();
    assertThat(folder.resolve("s.json")).content().contains("\"seed\" : 9");
  }

  @Test
  void differencesEndWithOneAndBadOptionsWithTwo() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.workload("third.party.Busy", "busy").in(mine.plugins(), "busy.jar");
    Path config = config("workload { kind = busy }");
    Ended differs = mine.run(folder, "run", config.toString(), "--set", "workload.differences=3");
    assertThat(differs.code()).isEqualTo(1);
    assertThat(differs.out()).contains("RESULT  3 differences\n  it differs");
    Ended bad = mine.run(folder, "run", config.toString(), "--set", "workload.differences=-1");
    assertThat(bad.code()).isEqualTo(2);
    assertThat(bad.err())
        .isEqualTo("quire: " + config + ":1: workload: differences=-1: not a count\n");
  }

  @Test
  void machineThatCannotBeIsRefusedWithItsPlace() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    TestJar.workload("third.party.Busy", "busy").in(mine.plugins(), "busy.jar");
    Path config =
        config(
            "workload.kind = busy\n"
                + "machine.ram = [{start = 0, size = 8K}, {start = 4K, size = 4K}]");
    Ended overlapping = mine.run(folder, "run", config.toString());
    assertThat(overlapping.code()).isEqualTo(2);
    assertThat(overlapping.err())
        .startsWith("quire: " + config + ":2: machine: RAM at ")
        .hasLineCount(1);
    Ended unknown =
        mine.run(folder, "run", config.toString(), "--set", "machine.tlb.preset=abacus");
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.err())
        .startsWith(
            "quire: --set machine.tlb.preset=abacus: machine.tlb.preset: no preset \"abacus\";"
                + " there are: ")
        .contains("skylake");
  }

  @Test
  void examplePluginIsBuiltAgainstTheDistributionAndServesARecordedGuest() throws Exception {
    Distribution mine = Distribution.copy(folder.resolve("quire"));
    Ended built = mine.runScript("examples/perfect-tlb/build", folder);
    assertThat(built.err()).isEmpty();
    assertThat(mine.plugins().resolve("perfect-tlb.jar")).exists();
    String study = mine.examples().resolve("launch/tlb-study.conf").toString();
    Ended tiny = run(mine, study, "machine.tlb.preset=tiny");
    Ended perfect = run(mine, study, "machine.cache=perfect");
    assertThat(perfect.err()).isEmpty();
    assertThat(perfect.out()).contains("RESULT  0 differences", "translation cache perfect");
    assertThat(walks(perfect)).isPositive().isLessThan(walks(tiny));
  }

  private Ended run(Distribution mine, String study, String setting) throws Exception {
    String untrained = "machine.trained=off";
    return mine.run(folder, "run", study, "--until", "50000", "--set", untrained, "--set", setting);
  }

  private static long walks(Ended ended) {
    String line = ended.out().lines().filter(it -> it.contains("walks ")).findFirst().orElse("");
    return Long.parseLong(line.replaceAll(".*?walks ([0-9,]+).*", "$1").replace(",", ""));
  }

  @Test
  void recordedVectorsPassInTheFramework() throws Exception {
    Ended ended =
        assembled.run(
            folder,
            "conform",
            vectors("native-2level.jsonl.gz"),
            vectors("native-pae.jsonl.gz"),
            vectors("native-4level.jsonl.gz"),
            vectors("native-5level.jsonl.gz"),
            vectors("npt.jsonl.gz"),
            vectors("ept.jsonl.gz"));
    assertThat(ended.err()).isEmpty();
    assertThat(ended.code()).isZero();
    assertThat(ended.out()).contains("1,234 passed        0 failed        0 skipped");
  }

  @Test
  void skippedVectorsHaveNotPassed() throws Exception {
    String unsettled =
        """
        {"id":"u","mode":"4level","maxphyaddr":40,"cr0":"80010031","cr3":"10000","cr4":"20",\
        "efer":"d00","ac":0,"cpl":3,"pkru":"0","va":"8000123456","access":"r","mem":[],\
        "expect":null,"after":[],"recorder_verdict":"open"}
        """;
    Path file = Files.writeString(folder.resolve("u.jsonl"), unsettled);
    Ended ended = assembled.run(folder, "conform", file.toString());
    assertThat(ended.code()).isEqualTo(1);
    assertThat(ended.out()).contains("1 skipped: no settled answer");
  }
}
