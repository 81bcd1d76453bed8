// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.launcher.run.Outcome;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * What {@code quire replay} prints: a line for each trace, its differences under it, and a total.
 */
public final class ReplayTable {
  private final PrintWriter out;
  private final int shown;
  private final int nameWidth;
  private int traces;
  private int unclean;
  private long differences;
  private long accesses;
  private long nanos;

  /**
   * A table.
   *
   * @param all the traces that will come, for the width of the first column
   * @param shown how many differences of a trace are shown
   */
  public ReplayTable(PrintWriter out, List<Path> all, int shown) {
    this.out = out;
    this.shown = shown;
    this.nameWidth = all.stream().mapToInt(it -> name(it).length()).max().orElse(0);
  }

  private static String name(Path trace) {
    return String.valueOf(trace.getFileName());
  }

  /** Adds the line of a trace that was replayed. */
  public void add(Path trace, Outcome outcome) {
    long here = accesses(outcome.total());
    row(name(trace), outcome.report().differences(), here, outcome.nanos());
    if (outcome.crash() != null) {
      out.println("  the domain crashed: " + outcome.crash());
    }
    if (!outcome.isClean()) {
      TextReport.differences(out, outcome, shown);
      unclean++;
    }
    traces++;
    differences += outcome.report().differences();
    accesses += here;
    nanos += outcome.nanos();
    out.flush();
  }

  private static long accesses(Counters counters) {
    return counters.get(HwEvent.ACCESSES) + counters.get(HwEvent.UNPAGED_ACCESSES);
  }

  /** Prints the last line. */
  public void total() {
    row(traces + (traces == 1 ? " trace" : " traces"), differences, accesses, nanos);
    out.flush();
  }

  /** Whether nothing differed in any trace. */
  public boolean isClean() {
    return unclean == 0;
  }

  private void row(String name, long differ, long accessed, long time) {
    out.printf(
        Locale.ROOT,
        "%-" + Math.max(nameWidth, 10) + "s  %,9d differences  %,13d accesses  %7.2f s%n",
        name,
        differ,
        accessed,
        time / 1e9);
  }
}
