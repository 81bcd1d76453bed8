// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import java.util.Locale;

/** How numbers are written for people. */
final class Numbers {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};

  private Numbers() {}

  static String grouped(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  /** A fact of a workload: whole numbers in groups, other numbers short, text as it is. */
  static String show(Object value) {
    if (value instanceof Long || value instanceof Integer) {
      return grouped(((Number) value).longValue());
    }
    if (value instanceof Double number) {
      return String.format(Locale.ROOT, "%.4g", number);
    }
    return value.toString();
  }

  /** A size in the largest unit that leaves at least one of them. */
  static String bytes(long bytes) {
    int unit = 0;
    double amount = bytes;
    while (amount >= 1024 && unit < UNITS.length - 1) {
      amount /= 1024;
      unit++;
    }
    String number =
        amount == Math.rint(amount)
            ? String.valueOf((long) amount)
            : String.format(Locale.ROOT, "%.1f", amount);
    return number + " " + UNITS[unit];
  }
}
