// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** PV domains that steps are made of, in whatever number of copies. */
interface PvWorld {
  /**
   * Makes one step.
   *
   * @return what went wrong; null if nothing
   */
  @Nullable String perform(TortureStep it);

  /** Whether there is little left to see. */
  boolean isSpent();

  /** What does not hold. */
  List<String> audit();

  /** What was counted. */
  Map<String, Long> counts();

  /** Ends the domains; answers what stays behind. */
  List<String> end();
}
