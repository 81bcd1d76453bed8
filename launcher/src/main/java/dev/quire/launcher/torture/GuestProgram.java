// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A program and the guests that it is for.
 *
 * @param plan what guests
 * @param operations what they do
 */
record GuestProgram(Plan plan, List<GuestOperation> operations) {
  /**
   * What the guests are that run the same program.
   *
   * @param vcpus how many vCPUs
   * @param cpus how many CPUs they share
   * @param largestOrder of a mapping of their p2m
   * @param exact whether the program invalidates whatever it changes, so that no old translation is
   *     permitted
   */
  record Plan(int vcpus, int cpus, int largestOrder, boolean exact) {}

  /** The same guests with another program. */
  GuestProgram with(List<GuestOperation> others) {
    return new GuestProgram(plan, others);
  }

  /** The program as {@link ProgramText} reads it. */
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            Locale.ROOT,
            "guest vcpus %d cpus %d order %d%s",
            plan.vcpus,
            plan.cpus,
            plan.largestOrder,
            plan.exact ? " exact" : ""));
    operations.forEach(operation -> lines.add(operation.toString()));
    return lines;
  }
}
