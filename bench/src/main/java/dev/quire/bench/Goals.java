// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;

/** How far the machine is from what it shall reach, beside the best C kernel of the same run. */
final class Goals {
  /**
   * What a stream's ratio to the best C kernel shall be.
   *
   * @param now at most this
   * @param beyond the goal beyond
   */
  private record Goal(double now, double beyond) {}

  private static final Map<String, Goal> TO_LIMIT =
      Map.of(
          "W1", new Goal(1.5, 1.2),
          "real", new Goal(1.5, 1.2),
          "W2", new Goal(1.6, 1.3),
          "W3", new Goal(1.8, 1.4));

  private static final double TAX = 0.05;

  private Goals() {}

  static void print(List<Comparison> comparisons, PrintStream out) {
    out.printf(
        "%-8s %22s %6s %8s %18s%n", "stream", "to the best C kernel", "goal", "beyond", "tax");
    for (Comparison comparison : comparisons) {
      Goal goal = TO_LIMIT.get(comparison.stream());
      if (goal != null) {
        print(comparison, goal, out);
      }
    }
    out.println();
  }

  private static void print(Comparison comparison, Goal goal, PrintStream out) {
    double machine = comparison.best(Role.MACHINE).orElseThrow();
    OptionalDouble limit = comparison.best(Role.LIMIT);
    String ratio = "";
    if (limit.isPresent()) {
      double measured = machine / limit.getAsDouble();
      ratio = String.format(Locale.ROOT, "%.2f %s", measured, verdict(measured <= goal.now()));
    }
    double tax = machine / comparison.best(Role.FUSED).orElseThrow() - 1;
    out.printf(
        Locale.ROOT,
        "%-8s %22s %6.1f %8.1f %8.1f %% %s%n",
        comparison.stream(),
        ratio,
        goal.now(),
        goal.beyond(),
        100 * tax,
        verdict(tax <= TAX));
  }

  private static String verdict(boolean reached) {
    return reached ? "reached" : "missed ";
  }
}
