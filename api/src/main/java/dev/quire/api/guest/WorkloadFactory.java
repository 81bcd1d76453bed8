// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/** A provider of workloads of one kind, found as a service; the configuration names it. */
@ConsumerType
public interface WorkloadFactory {
  /** The name that a configuration chooses it by. */
  String name();

  /**
   * Opens a workload. Reads no more than it must to answer {@link Workload#needs}.
   *
   * @param options what the configuration says, as text by key
   * @throws InputException if an option or a file is bad
   */
  Workload open(Map<String, String> options);
}
