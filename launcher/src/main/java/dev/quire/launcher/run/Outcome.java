// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.MachineSpec;
import dev.quire.launcher.host.Provider;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What came of one run: everything that the reports tell.
 *
 * @param machine what was built
 * @param tlb its TLBs for people
 * @param backend which paging backend, and where it came from
 * @param workload which kind of workload
 * @param options what it was told
 * @param report what it found
 * @param crash why the domain crashed; null if it did not
 * @param cpus counters by CPU
 * @param domain what its domain counted
 * @param nanos how long the workload ran. Unit: nanoseconds
 */
public record Outcome(
    MachineSpec machine,
    String tlb,
    Provider<?> backend,
    String workload,
    Map<String, String> options,
    WorkloadReport report,
    @Nullable String crash,
    List<Counters> cpus,
    DomainFigures domain,
    long nanos) {

  /** Whether everything went as it should. */
  public boolean isClean() {
    return report.differences() == 0 && crash == null;
  }

  /** The counters of all CPUs together. */
  public Counters total() {
    Counters total = new Counters();
    cpus.forEach(total::add);
    return total;
  }
}
