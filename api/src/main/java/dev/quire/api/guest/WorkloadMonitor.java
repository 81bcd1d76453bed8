// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

import org.osgi.annotation.versioning.ProviderType;

/** How the launcher watches a workload. */
@ProviderType
public interface WorkloadMonitor {
  /** Watches nothing and never stops. */
  WorkloadMonitor NONE = (done, total) -> true;

  /**
   * Called a few times a second.
   *
   * @param done how much is done, in units of the workload
   * @param total out of how much, 0 if unknown
   * @return whether to go on
   */
  boolean progress(long done, long total);
}
