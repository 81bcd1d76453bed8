// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.launcher.conform.Conformance.Result;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The machine does what real emulators did. */
class ConformanceTest {
  /** The whole recordings, where the source tree lies beside them. */
  private static final Path RECORDINGS = Path.of("../../shared/vectors");

  static Conformance conformance() {
    return Conformance.ofMachines(machines(), 3);
  }

  static MachineFactory machines() {
    return ServiceLoader.load(MachineFactory.class).findFirst().orElseThrow();
  }

  static HypervisorFactory hypervisors() {
    return ServiceLoader.load(HypervisorFactory.class).findFirst().orElseThrow();
  }

  static PagingBackend backend(String name) {
    return ServiceLoader.load(PagingBackend.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(it -> it.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static Result check(Path file) {
    return conformance().check(file, WorkloadMonitor.NONE);
  }

  static Path sample(String name) {
    try {
      String resource = "/vectors/" + name + ".jsonl.gz";
      return Path.of(
          Objects.requireNonNull(ConformanceTest.class.getResource(resource), resource).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void assertAllPass(Result result, long count) {
    assertThat(result.failures()).isEmpty();
    assertThat(result).isEqualTo(new Result(count, 0, Map.of(), result.failures()));
  }

  @ParameterizedTest
  @CsvSource({
    "native-2level,201",
    "native-pae,203",
    "native-4level,202",
    "native-5level,202",
    "npt,214",
    "ept,212"
  })
  void everyRecordedWalkIsReproduced(String name, long vectors) {
    assertAllPass(check(sample(name)), vectors);
  }

  /** A guest sees the same under every backend, and finds the same A and D bits. */
  @ParameterizedTest
  @CsvSource({"shadow", "shadow-classic", "hap-npt", "hap-ept"})
  void guestsUnderABackendSeeWhatWasRecorded(String name) {
    long vectors = 0;
    for (String mode : List.of("2level", "pae", "4level", "5level")) {
      Result result =
          Conformance.ofBackend(machines(), hypervisors(), backend(name), 3)
              .check(sample("native-" + mode), WorkloadMonitor.NONE);
      assertThat(result.failures()).isEmpty();
      assertThat(result.skipped()).isEmpty();
      vectors += result.passed();
    }
    assertThat(vectors).isEqualTo(808);
  }

  /**
   * PKRU with a leaf that alone is supervisor; reserved PDPTE bits; PSE-36 beyond MAXPHYADDR; bit 4
   * of EXITINFO1 without the host's NXE; A and D in tables that EPT does not let be written; bit 12
   * of a large EPT leaf.
   */
  @ParameterizedTest
  @CsvSource({
    "native-2level,14",
    "native-pae,41",
    "native-4level,40",
    "native-5level,40",
    "npt,37",
    "ept,60"
  })
  void whereEmulatorsDisagreeTheManualsAreFollowed(String name, long vectors) {
    assertAllPass(check(sample("disagreements/" + name)), vectors);
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({
    "native-2level,6810",
    "native-pae,9325",
    "native-4level,11688",
    "native-5level,11875",
    "npt,7490",
    "ept,7405",
    "disagreements/native-2level,14",
    "disagreements/native-pae,492",
    "disagreements/native-4level,200",
    "disagreements/native-5level,160",
    "disagreements/npt,109",
    "disagreements/ept,180"
  })
  void everyRecordedWalkOfTheWholeFilesIsReproduced(String name, long vectors) {
    Path file = RECORDINGS.resolve(name + ".jsonl.gz");
    assumeThat(file).as("recordings beside the source tree").exists();
    assertAllPass(check(file), vectors);
  }
}
