// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.guest;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a workload found.
 *
 * @param differences how often the machine did not do what it should have
 * @param explanations the first differences, each of one or more lines; or the walk that the
 *     workload was asked to explain
 * @param facts what else is worth telling, by name, in the order to print: numbers as {@link Long}
 *     or {@link Double}, anything else as text
 * @param ratesMeaningful whether the accesses are a program's, so that hit rates mean something
 */
public record WorkloadReport(
    long differences,
    List<String> explanations,
    Map<String, Object> facts,
    boolean ratesMeaningful) {

  /** Copies what it is given. */
  public WorkloadReport {
    explanations = List.copyOf(explanations);
    facts = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(facts));
  }
}
