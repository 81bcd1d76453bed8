// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;

/**
 * How recorded hypercalls and ours compare.
 *
 * @param operations how many were made
 * @param pages whose final state was compared
 * @param differences before the recorded hypervisor's own leak shows, if it has one
 * @param leakShows the operation at which the leak shows; beyond the last if there is none
 * @param afterLeak how many operations and pages differ from there on, as they must
 */
record StreamFindings(
    long operations, long pages, List<String> differences, long leakShows, long afterLeak) {
  boolean isClean() {
    return differences.isEmpty();
  }

  void print(Path file, PrintWriter out, int shown) {
    out.printf("%s%n  %,d hypercalls, %d pages at the end%n", file, operations, pages);
    if (leakShows < operations) {
      out.printf(
          "  the recorded Xen leaked a reference: from operation %d on its answers are not an ideal"
              + " hypervisor's; %d differ, and are not counted%n",
          leakShows, afterLeak);
    }
    differences.stream().limit(shown).forEach(line -> out.println("    " + line));
    if (differences.size() > shown) {
      out.printf("    ... and %d more%n", differences.size() - shown);
    }
    out.printf("RESULT  %d differences%n%n", differences.size());
    out.flush();
  }
}
