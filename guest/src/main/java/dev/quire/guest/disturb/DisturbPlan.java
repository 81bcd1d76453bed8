// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import java.util.List;

/**
 * How a guest shall be disturbed, and how often its backend is audited.
 *
 * @param seed of everything random
 * @param every about so many operations lie between two disturbances; 0 for none
 * @param swapEvery about so many operations lie between two swaps; 0 for none but those that the
 *     disturbances bring
 * @param auditEvery so many operations lie between two audits; 0 for none but those that follow
 *     what disturbs
 * @param among the backends to swap between; empty for all that can serve the domain
 */
public record DisturbPlan(
    long seed, long every, long swapEvery, long auditEvery, List<String> among) {
  /** Leaves the guest alone. */
  public static final DisturbPlan NONE = new DisturbPlan(1, 0, 0, 0, List.of());

  /** Copies the names. */
  public DisturbPlan {
    among = List.copyOf(among);
  }

  /** Whether anything shall be done or looked at. */
  public boolean interrupts() {
    return every > 0 || swapEvery > 0 || auditEvery > 0;
  }
}
