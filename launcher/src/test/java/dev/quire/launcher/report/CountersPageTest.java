// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.HwEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * Keeps {@code docs/counters.md} what {@link HwEvent} says; {@code -Ddocs.write} writes it anew.
 */
class CountersPageTest {
  private static final Path PAGE = Path.of("../docs/counters.md");

  private static final String HEAD =
      """
      # Counters

      Every event is counted once, by the CPU, where it happens. The names are those of the report and of
      its JSON form (`counters`). Sizes are those of page tables: `2m` stands for 4 MiB pages with 2-level
      paging. What a workload itself counts is among its facts in the report; what a paging backend counts,
      under `paging`. This page is generated from `dev.quire.api.hw.HwEvent`.

      | name | unit | where it is counted |
      |---|---|---|
      """;

  private static String page() {
    StringBuilder page = new StringBuilder(HEAD);
    for (HwEvent event : HwEvent.values()) {
      page.append("| `").append(event.title()).append("` | ");
      page.append(event.unit()).append(" | ").append(event.where()).append(" |\n");
    }
    return page.toString();
  }

  @Test
  void pageIsWhatTheEventsSay() throws IOException {
    if (System.getProperty("docs.write") != null) {
      Files.writeString(PAGE, page());
    }
    assertThat(PAGE).as("run with -Ddocs.write to write it").hasContent(page());
  }
}
