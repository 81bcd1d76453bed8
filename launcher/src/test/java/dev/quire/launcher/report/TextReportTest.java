// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.guest.WorkloadReport;
import dev.quire.launcher.run.Outcome;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TextReportTest {
  private static String print(Outcome outcome) {
    StringWriter text = new StringWriter();
    new TextReport(new PrintWriter(text), 2).print(outcome);
    return text.toString();
  }

  @Test
  void cleanRunIsToldFromWhatRanToWhatItCost() {
    assertThat(print(Outcomes.clean()))
        .isEqualTo(
            """
            workload                 replay trace=a.zst until=5
            machine                  Intel, MAXPHYADDR 40, 2 CPUs, 639.6 MiB RAM, seed 7
            TLBs                     Some Core, LRU
                                     L1 data: 4K 64 (16 x 4), 2M+1G 32 (8 x 4)
                                     L1 instruction: 4K+2M+1G 128 (16 x 8)
                                     L2: 4K+2M 1536 (128 x 12)
                                     paging structures: PDE 8 (1 x 8), PDPTE 4 (1 x 4)
            paging                   native  (dev.quire.hypervisor 0.1.0)

            RESULT  0 differences

            records                  1,234,567
            share                    0.2500
              guest                  Linux

            TLB hits by page size                 4K             2M             1G         misses       hit rate
              L1 data                        600,000        300,000              0        100,000       90.000 %
              L2                              75,000              0              0         25,000       75.000 %

            accesses                 accesses 1,000,000
            walks                    walks 25,000
            memory references        references-level-1 20,000   references-level-2 25,000
            faults                   page-faults 181
            paging instructions      invlpg 7
            references per walk      1.800
            references per access    0.04500
            exits                    nested-fault 1,234
            p2m                      ept, 4 levels, 325 table pages; pool 327 of 1,536 frames; guest memory scattered
            paging hap-ept           recalculations 99
            paging native            shadows 12

            time                     2.50 s, 2500.0 ns per access, input included
            """);
  }

  @Test
  void ratesAreLeftOutWhereTheyMeanNothing() {
    String text = print(Outcomes.of(new WorkloadReport(0, List.of(), Map.of(), false), null));
    assertThat(text)
        .contains("no rates: the accesses are not a program's")
        .doesNotContain("hit rate")
        .doesNotContain(" %")
        .doesNotContain("per access\n")
        .contains("references per walk");
  }

  @Test
  void firstDifferencesAreExplainedAndTheRestCounted() {
    WorkloadReport report =
        new WorkloadReport(5, List.of("one\nits walk", "two", "three"), Map.of(), true);
    assertThat(print(Outcomes.of(report, null)))
        .contains("RESULT  5 differences\n  one\n  its walk\n  two\n  ... and 3 more\n");
  }

  @Test
  void crashIsToldWithItsReason() {
    WorkloadReport report = new WorkloadReport(0, List.of(), Map.of(), true);
    Outcome outcome = Outcomes.of(report, "exit without end");
    assertThat(outcome.isClean()).isFalse();
    assertThat(print(outcome)).contains("the domain crashed: exit without end");
  }

  @Test
  void explanationIsThePlaceAndTheWalk() {
    StringWriter text = new StringWriter();
    WorkloadReport report =
        new WorkloadReport(0, List.of("level 2\nlevel 1"), Map.of("record", 12_345L), true);
    TextReport.explain(new PrintWriter(text), Outcomes.of(report, null));
    assertThat(text.toString()).isEqualTo("record: 12,345\nlevel 2\nlevel 1\n");
  }

  @Test
  void sizesAreToldInTheLargestWholeUnit() {
    assertThat(Numbers.bytes(640L << 20)).isEqualTo("640 MiB");
    assertThat(Numbers.bytes(1L << 52)).isEqualTo("4 PiB");
    assertThat(Numbers.bytes(1536)).isEqualTo("1.5 KiB");
    assertThat(Numbers.bytes(0)).isEqualTo("0 B");
  }
}
