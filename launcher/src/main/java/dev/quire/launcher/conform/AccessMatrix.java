// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.Access;
import dev.quire.launcher.conform.Conformance.Result;
import dev.quire.launcher.conform.MatrixStates.CpuState;
import dev.quire.launcher.conform.MatrixStates.Entries;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Takes guests under several backends through the same states and compares what they see with what
 * the guest of the first one sees: where accesses end, and what they leave in the entries.
 */
public final class AccessMatrix {
  private final List<MatrixGuest> guests = new ArrayList<>();
  private final long[] failed;
  private final List<List<String>> failures = new ArrayList<>();
  private final int explained;
  private long states;

  /**
   * A guest for each backend.
   *
   * @param explained how many differences of a backend are explained
   */
  public AccessMatrix(
      MachineFactory machines,
      HypervisorFactory hypervisors,
      List<PagingBackend> backends,
      int explained) {
    this.explained = explained;
    for (PagingBackend backend : backends) {
      guests.add(new MatrixGuest(machines, hypervisors, backend));
      failures.add(new ArrayList<>());
    }
    failed = new long[guests.size()];
  }

  /**
   * Goes through the matrix.
   *
   * @param every only each so many-th state, beginning with another one for each setting of the CPU
   * @param monitor told of the settings of the CPU
   * @return what came of each backend; of the first one, that it is what the others are compared to
   */
  public Map<String, Result> check(int every, WorkloadMonitor monitor) {
    List<CpuState> cpus = MatrixStates.cpus();
    List<Entries> entries = MatrixStates.entries();
    for (int i = 0; i < cpus.size(); i++) {
      CpuState cpu = cpus.get(i);
      guests.forEach(guest -> guest.enter(cpu));
      long[] accesses = MatrixStates.accesses(cpu);
      for (int state = i % every; state < entries.size() * accesses.length; state += every) {
        Entries entry = entries.get(state / accesses.length);
        compare(cpu, entry, accesses[state % accesses.length]);
      }
      monitor.progress(i + 1L, cpus.size());
    }
    Map<String, Result> results = new LinkedHashMap<>();
    for (int i = 0; i < guests.size(); i++) {
      long bad = failed[i];
      results.put(guests.get(i).name(), new Result(states - bad, bad, Map.of(), failures.get(i)));
    }
    return results;
  }

  private void compare(CpuState cpu, Entries entries, long access) {
    states++;
    long[] expected = guests.get(0).access(entries, access);
    for (int i = 1; i < guests.size(); i++) {
      long[] seen = guests.get(i).access(entries, access);
      if (!Arrays.equals(seen, expected) && failed[i]++ < explained) {
        failures
            .get(i)
            .add(
                String.format(
                    "%s with PDPTE 0x%x PDE 0x%x PTE 0x%x, %s%n  %s: %s%n  %s: %s",
                    Access.describe(access),
                    entries.pdpte(),
                    entries.pde(),
                    entries.pte(),
                    cpu,
                    guests.get(0).name(),
                    MatrixGuest.describe(expected),
                    guests.get(i).name(),
                    MatrixGuest.describe(seen)));
      }
    }
  }
}
