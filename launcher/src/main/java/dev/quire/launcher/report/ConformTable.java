// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.launcher.conform.Conformance.Result;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;

/** What {@code quire conform} prints: a line for each file, its first failures, and a total. */
public final class ConformTable {
  private final PrintWriter out;
  private final int nameWidth;
  private int rows;
  private long passed;
  private long failed;
  private long skipped;

  /**
   * A table.
   *
   * @param all the names that will come, for the width of the first column
   */
  public ConformTable(PrintWriter out, List<String> all) {
    this.out = out;
    this.nameWidth = all.stream().mapToInt(String::length).max().orElse(0);
  }

  /** Adds what came of a file. */
  public void add(String name, Result result) {
    long left = result.skipped().values().stream().mapToLong(it -> it).sum();
    row(name, result.passed(), result.failed(), left);
    result
        .skipped()
        .forEach((why, count) -> out.printf(Locale.ROOT, "  %,d skipped: %s%n", count, why));
    result.failures().forEach(it -> out.print(it.indent(2)));
    if (result.failed() > result.failures().size()) {
      out.printf(
          Locale.ROOT, "  ... and %,d more failed%n", result.failed() - result.failures().size());
    }
    rows++;
    passed += result.passed();
    failed += result.failed();
    skipped += left;
    out.flush();
  }

  /** Prints the last line, if there are any vectors. */
  public void total() {
    if (rows == 0) {
      return;
    }
    row("total", passed, failed, skipped);
    out.flush();
  }

  private void row(String name, long ok, long bad, long left) {
    out.printf(
        Locale.ROOT,
        "%-" + Math.max(nameWidth, 10) + "s  %,9d passed  %,7d failed  %,7d skipped%n",
        name,
        ok,
        bad,
        left);
  }
}
