// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;

/** Prints what an audit found. */
final class AuditTable {
  private final PrintWriter out;
  private final int shown;

  AuditTable(PrintWriter out, int shown) {
    this.out = out;
    this.shown = shown;
  }

  void print(Path file, Dump dump, AuditFindings findings) {
    out.printf("%s%n  %s%n", file, dump.version());
    out.printf("  %-24s %10s %10s%n", "frames of", "compared", "equal");
    findings
        .compared()
        .forEach(
            (group, it) -> out.printf("  %-24s %,10d %,10d%n", group, it.frames(), it.equal()));
    out.printf("  left over with no use: %s%n", findings.leftOver());
    out.printf("  not compared: %s%n", findings.listed());
    lines("could not be built", findings.refusals());
    lines("entries changed by promotion", findings.changed());
    lines("in progress when the dump was made", findings.inProgress());
    lines("differences", findings.differences());
    int total =
        findings.differences().size() + findings.changed().size() + findings.refusals().size();
    out.printf("RESULT  %d differences%n%n", total);
    out.flush();
  }

  private void lines(String title, List<String> lines) {
    if (lines.isEmpty()) {
      return;
    }
    out.printf("  %s: %d%n", title, lines.size());
    lines.stream().limit(shown).forEach(line -> out.println("    " + line));
    if (lines.size() > shown) {
      out.printf("    ... and %d more%n", lines.size() - shown);
    }
  }
}
