// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What can be chosen of shadow paging.
 *
 * @param outOfSync {@code oos}: whether the guest may write last-level tables itself, as in Xen
 *     since 3.3
 * @param reverseMaps {@code rmap}: whether it is recorded which shadow entries map a frame, as in
 *     KVM; Xen searches for them
 */
record ShadowOptions(boolean outOfSync, boolean reverseMaps) {
  /** As in Xen. */
  static final ShadowOptions DEFAULT = new ShadowOptions(true, false);

  private static final Set<String> KNOWN = Set.of("oos", "rmap");

  /**
   * Options from a configuration.
   *
   * @throws IllegalArgumentException if there is no such option or value
   */
  static ShadowOptions of(Map<String, String> options) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(KNOWN);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              "no option %s; there are: %s",
              String.join(", ", unknown), String.join(", ", new TreeSet<>(KNOWN))));
    }
    return new ShadowOptions(
        flag(options, "oos", DEFAULT.outOfSync()), flag(options, "rmap", DEFAULT.reverseMaps()));
  }

  private static boolean flag(Map<String, String> options, String name, boolean standard) {
    String value = options.getOrDefault(name, standard ? "on" : "off");
    return switch (value) {
      case "on", "true", "yes" -> true;
      case "off", "false", "no" -> false;
      default ->
          throw new IllegalArgumentException(name + ": on or off is wanted, not \"" + value + "\"");
    };
  }
}
