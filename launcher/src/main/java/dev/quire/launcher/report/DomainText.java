// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.hw.ExitReason;
import dev.quire.launcher.run.DomainFigures;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;

/** The part of the report for people that tells of the domain: exits, p2m, what backends count. */
final class DomainText {
  private final BiConsumer<String, String> line;
  private final BiConsumer<String, List<String>> wrapped;

  /**
   * A writer.
   *
   * @param line prints a label and a text
   * @param wrapped prints a label and items, on as many lines as they need
   */
  DomainText(BiConsumer<String, String> line, BiConsumer<String, List<String>> wrapped) {
    this.line = line;
    this.wrapped = wrapped;
  }

  void print(DomainFigures domain) {
    exits(domain.exits());
    tables(domain);
    domain.backends().forEach(this::statistics);
  }

  private void exits(Map<ExitReason, Long> exits) {
    List<String> items = new ArrayList<>();
    exits.forEach(
        (reason, count) -> {
          if (count != 0) {
            items.add(name(reason) + " " + Numbers.grouped(count));
          }
        });
    wrapped.accept("exits", items.isEmpty() ? List.of("none") : items);
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private void tables(DomainFigures domain) {
    DomainFigures.Tables tables = domain.tables();
    if (tables != null) {
      line.accept(
          "p2m",
          String.format(
              Locale.ROOT,
              "%s, %d levels, %,d table pages; pool %,d of %,d frames; guest memory %s",
              name(tables.format()),
              tables.levels(),
              tables.frames(),
              tables.poolUsed(),
              tables.poolTotal(),
              name(domain.spec().placement())));
    }
  }

  private void statistics(String backend, Map<String, Long> counts) {
    List<String> items = new ArrayList<>();
    counts.forEach(
        (name, count) -> {
          if (count != 0) {
            items.add(name + " " + Numbers.grouped(count));
          }
        });
    if (!items.isEmpty()) {
      wrapped.accept("paging " + backend, items);
    }
  }
}
