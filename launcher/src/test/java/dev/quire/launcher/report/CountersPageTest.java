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

      Under nested paging every reference to memory has a level in both dimensions. The array `references`
      has a row for each guest level, 0 to 5, and in it a column for each nested level, 0 to 5: row *g*,
      column *n* counts nested entries of level *n* that were read to find the guest's entry of level *g*;
      row 0 is for the address that a walk ends with, column 0 for the guest's own entries (the same
      numbers as `references-level-g`). A cold walk of four levels on four is 4 + 4 x 4 + 4 = 24 references,
      one of five on five 35; [walks-by-backend.md](walks-by-backend.md) has measured ones.

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
