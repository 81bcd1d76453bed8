// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.launcher.conform.WalkVector.Expected;
import dev.quire.launcher.conform.WalkVector.Nested;
import dev.quire.launcher.conform.WalkVector.TableEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/** What happened, and what the entries hold afterwards, beside what a vector says of both. */
final class Comparison {
  private final ToLongFunction<TableEntry> memory;

  /**
   * Compares with memory.
   *
   * @param memory reads what is at the place of an entry now
   */
  Comparison(ToLongFunction<TableEntry> memory) {
    this.memory = memory;
  }

  /** What is different, a line each. */
  List<String> differences(WalkVector vector, Expected seen) {
    List<String> lines = new ArrayList<>();
    if (!agrees(vector.expected(), seen)) {
      lines.add("expected that it " + vector.expected() + "; it " + seen);
    }
    entries(vector, lines);
    return lines;
  }

  private static boolean agrees(Expected expected, Expected seen) {
    if (expected instanceof Expected.Reached wanted && seen instanceof Expected.Reached got) {
      return wanted.address() == got.address();
    }
    if (seen instanceof Expected.NestedPageFault got) {
      return expected instanceof Expected.NestedPageFault wanted && wanted.agrees(got)
          || expected instanceof Expected.TableUpdateRefused refused && refused.agrees(got);
    }
    return expected.equals(seen);
  }

  private void entries(WalkVector vector, List<String> lines) {
    if (vector.after().isEmpty() && vector.nested().isPresent()
        || vector.after().stream().anyMatch(it -> hold(vector, it))) {
      return;
    }
    lines.add("the entries are none of the permitted variants:");
    for (TableEntry entry : vector.allEntries()) {
      lines.add(
          String.format(
              "  entry at 0x%x was 0x%x, is 0x%x; permitted: %s",
              entry.address(), entry.value(), memory.applyAsLong(entry), permitted(vector, entry)));
    }
  }

  private boolean hold(WalkVector vector, Map<Long, Long> after) {
    return vector.entries().stream().allMatch(it -> holds(it, after, SecondDimension.free(vector)))
        && vector.nested().map(Nested::entries).orElse(List.of()).stream()
            .allMatch(it -> holds(it, after, SecondDimension.freeNested(vector)));
  }

  private boolean holds(TableEntry entry, Map<Long, Long> after, long free) {
    long wanted = after.getOrDefault(entry.address(), entry.value());
    return ((memory.applyAsLong(entry) ^ wanted) & ~free) == 0;
  }

  private static String permitted(WalkVector vector, TableEntry entry) {
    return vector.after().stream()
        .map(it -> "0x" + Long.toHexString(it.getOrDefault(entry.address(), entry.value())))
        .distinct()
        .reduce((one, other) -> one + " or " + other)
        .orElse("nothing");
  }
}
