// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What can be chosen of shadow paging.
 *
 * @param sync which tables the guest may write itself; {@code oos} of the later generation
 * @param reverseMaps {@code rmap}: whether it is recorded which shadow entries map a frame, as in
 *     KVM; Xen searches for them
 * @param upperRights {@code upper-rw} of the first generation: whether shadow entries above the
 *     last level are read-only where the guest's are; in Xen 3.0 they never were
 */
record ShadowOptions(Sync sync, boolean reverseMaps, boolean upperRights) {
  /** Which tables may be out of sync. */
  enum Sync {
    /** None: every write to a table that has a shadow is emulated. */
    NEVER,
    /** A few of the last level, as in Xen since 3.3. */
    LAST_LEVEL,
    /** Any, as in Xen 3.0. */
    EVERY_LEVEL
  }

  /** As in Xen. */
  static final ShadowOptions DEFAULT = new ShadowOptions(Sync.LAST_LEVEL, false, true);

  /** The first generation, but for what it did not enforce. */
  static final ShadowOptions CLASSIC = new ShadowOptions(Sync.EVERY_LEVEL, false, true);

  private static final String OOS = "oos";
  private static final String RMAP = "rmap";
  private static final String UPPER_RW = "upper-rw";

  /**
   * Options of {@code shadow} from a configuration.
   *
   * @throws IllegalArgumentException if there is no such option or value
   */
  static ShadowOptions of(Map<String, String> options) {
    check(options, Set.of(OOS, RMAP));
    Sync sync = flag(options, OOS, true) ? Sync.LAST_LEVEL : Sync.NEVER;
    return new ShadowOptions(sync, flag(options, RMAP, false), true);
  }

  /** The same of {@code shadow-classic}. */
  static ShadowOptions ofClassic(Map<String, String> options) {
    check(options, Set.of(RMAP, UPPER_RW));
    return new ShadowOptions(
        Sync.EVERY_LEVEL, flag(options, RMAP, false), flag(options, UPPER_RW, true));
  }

  /**
   * The same without tables out of sync: a PV guest cannot write its tables behind the back of its
   * interface, which tells of each write.
   */
  ShadowOptions inStep() {
    return new ShadowOptions(Sync.NEVER, reverseMaps, upperRights);
  }

  /** Whether it is the first generation. */
  boolean isClassic() {
    return sync == Sync.EVERY_LEVEL;
  }

  private static void check(Map<String, String> options, Set<String> known) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              "no option %s; there are: %s",
              String.join(", ", unknown), String.join(", ", new TreeSet<>(known))));
    }
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
