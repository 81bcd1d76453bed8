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
   * Opens a workload. Reads no more than it must to answer {@link Workload#needs}. Some options
   * mean the same to every workload that knows them, because commands of the launcher set them:
   *
   * <ul>
   *   <li>{@code trace}, {@code file}: the name of a file, as it can be opened
   *   <li>{@code until}: the run ends after this many of the workload's steps
   *   <li>{@code at} (number of a step) or {@code instruction} (the step nearest to that count),
   *       with them perhaps {@code va} (a linear address in hexadecimal): the run goes up to that
   *       step, and the report's explanations are the one walk that was asked for, entry by entry
   * </ul>
   *
   * An option that the workload does not know is refused.
   *
   * @param options what the configuration says, as text by key
   * @throws InputException if an option or a file is bad
   */
  Workload open(Map<String, String> options);
}
