// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import java.util.List;

/**
 * How a guest shall be disturbed.
 *
 * @param seed of everything random
 * @param every about so many operations lie between two disturbances; 0 for none
 * @param swapEvery about so many operations lie between two swaps; 0 for none but those that the
 *     disturbances bring
 * @param among the backends to swap between; empty for all that can serve the domain
 */
public record DisturbPlan(long seed, long every, long swapEvery, List<String> among) {
  /** Leaves the guest alone. */
  public static final DisturbPlan NONE = new DisturbPlan(1, 0, 0, List.of());

  /** Copies the names. */
  public DisturbPlan {
    among = List.copyOf(among);
  }

  /** Whether anything shall be done at all. */
  public boolean disturbs() {
    return every > 0 || swapEvery > 0;
  }
}
