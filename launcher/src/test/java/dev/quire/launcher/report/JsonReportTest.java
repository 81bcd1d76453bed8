// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.guest.InputException;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.HwEvent;
import dev.quire.launcher.run.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

class JsonReportTest {
  @TempDir Path folder;

  private static String json(Outcome outcome) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    JsonReport.write(out, outcome);
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void reportIsThisText() {
    String zeros = "\"accesses-unpaged\" : 0";
    assertThat(json(Outcomes.clean()))
        .startsWith(
            """
            {
              "schema" : "quire-report/1",
              "quire" : "0.1.0",
              "machine" : {
                "vendor" : "intel",
                "maxphyaddr" : 40,
                "features" : [
                  "pae",
                  "page-1g"
                ],
                "cpus" : 2,
                "seed" : 7,
                "ram" : [
                  {
                    "start" : 0,
                    "size" : 655360
                  },
            """)
        .contains("\"replacement\" : \"lru\"", zeros, "\"crash\" : null")
        .contains(
            "\"facts\" : {\n      \"records\" : 1234567,\n      \"share\" : 0.25,\n      \"guest\" : \"Linux\"")
        .endsWith("    ]\n  }\n}\n");
  }

  @Test
  void domainIsToldWithItsExitsZerosTooAndWhatEachBackendCounted() {
    assertThat(json(Outcomes.clean()))
        .contains(
            """
                "statistics" : {
                  "shadows" : 12
                },
                "before" : {
                  "hap-ept" : {
                    "recalculations" : 99
                  }
                }
              },
              "domain" : {
                "placement" : "scattered",
                "frames" : 16,
                "largest-order" : 0,
                "exits" : {
                  "page-fault" : 0,
                  "nested-fault" : 1234
                },
                "p2m" : {
                  "format" : "ept",
                  "levels" : 4,
                  "table-pages" : 325,
                  "pool-used" : 327,
                  "pool-total" : 1536
                }
              },
            """);
  }

  @Test
  void reportSaysNothingOfTimeOrPlace() {
    Outcome clean = Outcomes.clean();
    Outcome slower =
        new Outcome(
            clean.machine(),
            clean.tlb(),
            clean.backend(),
            clean.workload(),
            clean.options(),
            clean.report(),
            clean.crash(),
            clean.cpus(),
            clean.domain(),
            clean.nanos() * 3);
    assertThat(json(slower)).isEqualTo(json(clean)).doesNotContain("x.jar");
  }

  @Test
  void everyCounterIsThereByItsName() {
    String json = json(Outcomes.clean());
    for (HwEvent event : HwEvent.values()) {
      assertThat(json.split("\"" + event.title() + "\" : ", -1)).as(event.title()).hasSize(4);
    }
  }

  @Test
  void differencesAndCrashAreThere() {
    WorkloadReport report = new WorkloadReport(3, List.of("one\n\"two\""), Map.of(), false);
    assertThat(json(Outcomes.of(report, "why")))
        .contains("\"differences\" : 3", "\"one\\n\\\"two\\\"\"", "\"crash\" : \"why\"")
        .contains("\"rates-meaningful\" : false");
  }

  @Test
  void pageForReadersNamesEveryKey() throws IOException {
    String page = Files.readString(Path.of("../docs/report.md"));
    Set<String> keys = new TreeSet<>();
    try (JsonParser json =
        new JsonFactory().createParser(ObjectReadContext.empty(), json(Outcomes.clean()))) {
      for (JsonToken token = json.nextToken(); token != null; token = json.nextToken()) {
        if (token == JsonToken.PROPERTY_NAME) {
          keys.add(json.currentName());
        }
      }
    }
    Stream.of(HwEvent.values()).map(HwEvent::title).forEach(keys::remove);
    keys.removeAll(Set.of("records", "share", "guest", "shadows", "trace", "until"));
    keys.removeAll(Set.of("hap-ept", "recalculations", "page-fault", "nested-fault"));
    assertThat(page)
        .contains(JsonReport.SCHEMA)
        .contains(keys.stream().map(it -> "`" + it + "`").toList());
  }

  @Test
  void fileIsReplacedWholeAndNothingElseIsLeft() throws IOException {
    Path file = Files.writeString(folder.resolve("out.json"), "old");
    JsonReport.write(file, Outcomes.clean());
    assertThat(file).hasContent(json(Outcomes.clean()));
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void fileThatCannotBeWrittenIsRefusedBeforeTheRun() {
    Path file = folder.resolve("absent/out.json");
    assertThatThrownBy(() -> JsonReport.checkTarget(file))
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith(file + ": cannot be written");
    assertThatThrownBy(() -> JsonReport.checkTarget(folder)).isInstanceOf(InputException.class);
    JsonReport.checkTarget(folder.resolve("out.json"));
    JsonReport.checkTarget(null);
  }
}
