// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.walks;

import dev.quire.api.guest.InputException;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a configuration can say about the walks.
 *
 * @param guestLevels levels of the guest's tables, 4 or 5
 * @param nestedLevels levels of the nested tables that the guest's memory is laid out for, 4 or 5
 * @param regionBytes how much RAM there is around each of the guest's tables: a page of the host's
 */
record WalksOptions(int guestLevels, int nestedLevels, long regionBytes) {
  private static final Set<String> KNOWN = Set.of("guest-levels", "nested-levels", "host-page");

  static WalksOptions of(Map<String, String> options) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(KNOWN);
    if (!unknown.isEmpty()) {
      throw new InputException(
          "walks knows no option "
              + String.join(", ", unknown)
              + "; there are: "
              + String.join(", ", new TreeSet<>(KNOWN)));
    }
    long region =
        switch (options.getOrDefault("host-page", "2M")) {
          case "4K", "2M" -> 1L << 21;
          case "1G" -> 1L << 30;
          default -> throw new InputException("option host-page: there are 4K, 2M and 1G");
        };
    return new WalksOptions(
        levels(options, "guest-levels"), levels(options, "nested-levels"), region);
  }

  private static int levels(Map<String, String> options, String key) {
    return switch (options.getOrDefault(key, "4")) {
      case "4" -> 4;
      case "5" -> 5;
      default -> throw new InputException("option " + key + ": there are 4 and 5");
    };
  }
}
