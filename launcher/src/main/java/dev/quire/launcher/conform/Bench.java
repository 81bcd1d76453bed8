// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import java.util.List;

/** A place to try vectors on, one after another; each finds it as the first one did. */
interface Bench {
  /**
   * Tries one vector.
   *
   * @return what was different, line by line with the walk at the end; empty if nothing was
   */
  List<String> tryOut(WalkVector vector);
}
