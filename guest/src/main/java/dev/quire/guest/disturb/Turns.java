// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Counts operations down to when something is due again. */
final class Turns {
  private final long mean;
  private final @Nullable Random random;
  private long left;

  private Turns(long mean, @Nullable Random random) {
    this.mean = mean;
    this.random = random;
    this.left = interval();
  }

  /** Due after so many operations on average; never if that is 0. */
  static Turns about(long mean, Random random) {
    return new Turns(mean, random);
  }

  /** Due after just so many operations each time; never if that is 0. */
  static Turns exactly(long operations) {
    return new Turns(operations, null);
  }

  private long interval() {
    if (mean == 0) {
      return Long.MAX_VALUE;
    }
    return random == null ? mean : 1 + (long) (random.nextDouble() * (2 * mean - 1));
  }

  /** How many operations may run before it is due. */
  long left() {
    return left;
  }

  /** So many operations have run: whether it is due, and if so begins to count again. */
  boolean isNext(long operations) {
    if (mean == 0) {
      return false;
    }
    left -= operations;
    if (left > 0) {
      return false;
    }
    left = interval();
    return true;
  }
}
