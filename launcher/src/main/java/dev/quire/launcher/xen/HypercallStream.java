// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.xen;

import dev.quire.api.guest.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Hypercalls that a guest of a real Xen made on a pool of its pages, with their answers.
 *
 * @param header what the pool is, and what else is referred to
 * @param operations in their order
 * @param last the state of every page of the pool at the end
 */
record HypercallStream(XenRecord header, List<XenRecord> operations, List<XenRecord> last) {
  private static final String FORMAT = "pvtrace-1";

  static boolean isOne(Path file) {
    try (RecordFile records = new RecordFile(file)) {
      XenRecord first = records.next();
      return first != null && FORMAT.equals(first.fields().get("format"));
    } catch (InputException e) {
      return false; // whoever reads it as something else says what is wrong
    }
  }

  static HypercallStream read(Path file) {
    try (RecordFile records = new RecordFile(file)) {
      XenRecord header = records.next();
      if (header == null || !FORMAT.equals(header.fields().get("format"))) {
        throw new InputException(
            file + ": no recorded hypercalls: format " + FORMAT + " is wanted");
      }
      List<XenRecord> operations = new ArrayList<>();
      List<XenRecord> last = new ArrayList<>();
      for (XenRecord it = records.next(); it != null; it = records.next()) {
        switch (it.text("k")) {
          case "op" -> operations.add(it);
          case "final" -> last.add(it);
          default -> {}
        }
      }
      if (operations.size() != header.number("ops") || last.isEmpty()) {
        throw new InputException(
            String.format(
                "%s: %d operations and %d final states; the header promises %d operations",
                file, operations.size(), last.size(), header.number("ops")));
      }
      return new HypercallStream(header, operations, last);
    }
  }

  /** The machine frames of the pool. */
  long[] pool() {
    return header.list("pool").stream()
        .mapToLong(
            it -> {
              if (it instanceof Long mfn) {
                return mfn;
              }
              throw header.bad("pool", "numbers are wanted");
            })
        .toArray();
  }

  /**
   * The first operation whose answer an ideal hypervisor does not give, because the recorded one
   * had leaked a reference; none if beyond the last.
   */
  long leakShows() {
    return header.number("first_visible_leak_effect", Long.MAX_VALUE);
  }
}
