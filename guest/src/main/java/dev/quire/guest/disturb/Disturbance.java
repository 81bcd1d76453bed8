// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import java.util.Random;

/** One kind of thing that is done to a guest which must not notice it. */
interface Disturbance {
  /** What reports call it: a plural. */
  String title();

  /** Whether it can be done to the domain as it is now. */
  boolean isPossible();

  /**
   * Does it, at a safe point.
   *
   * @return what was done, for findings: "split the superpage around gfn 0x1200"
   */
  String happen(Random random);
}
