// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What can be chosen of shadow paging.
 *
 * @param outOfSync whether the guest may write last-level tables itself, as in Xen since 3.3
 */
record ShadowOptions(boolean outOfSync) {
  /** As in Xen. */
  static final ShadowOptions DEFAULT = new ShadowOptions(true);

  private static final String OOS = "oos";

  /**
   * Options from a configuration.
   *
   * @throws IllegalArgumentException if there is no such option or value
   */
  static ShadowOptions of(Map<String, String> options) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.remove(OOS);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          "no option " + String.join(", ", unknown) + "; there is: " + OOS);
    }
    return new ShadowOptions(flag(OOS, options.getOrDefault(OOS, "on")));
  }

  private static boolean flag(String name, String value) {
    return switch (value) {
      case "on", "true", "yes" -> true;
      case "off", "false", "no" -> false;
      default ->
          throw new IllegalArgumentException(name + ": on or off is wanted, not \"" + value + "\"");
    };
  }
}
