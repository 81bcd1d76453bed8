// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** Leaves out of a failing sequence what the failure does not need. */
final class Shrinker {
  private Shrinker() {}

  /**
   * Leaves out runs, long ones first and then single elements, until no element can go.
   *
   * @param failing a sequence that fails
   * @param fails whether a shorter one still does
   */
  static <T> List<T> shrink(List<T> failing, Predicate<List<T>> fails) {
    List<T> least = failing;
    int size = Math.max(1, least.size() / 2);
    while (true) {
      List<T> fewer = without(least, size, fails);
      boolean shorter = fewer.size() < least.size();
      least = fewer;
      if (size == 1 && !shorter) {
        return least;
      }
      size = size == 1 ? 1 : size / 2;
    }
  }

  private static <T> List<T> without(List<T> failing, int size, Predicate<List<T>> fails) {
    List<T> least = failing;
    int end = least.size();
    while (end > 0) { // from behind: what leads to what comes last is least likely to go
      int from = Math.max(0, end - size);
      List<T> fewer = new ArrayList<>(least.subList(0, from));
      fewer.addAll(least.subList(end, least.size()));
      if (fails.test(fewer)) {
        least = fewer;
      }
      end = from;
    }
    return least;
  }
}
