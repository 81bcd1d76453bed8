// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.launcher.conform.WalkVector.Expected;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Tries the vectors of files on machines. */
public final class Conformance {
  /**
   * Vectors that one machine sees. A frame of memory once made stays for good, and vectors scatter
   * their tables over all of it; a new machine now and then bounds what they hold.
   */
  private static final int VECTORS_PER_MACHINE = 2048;

  private static final int PROGRESS_EVERY = 512;

  private final MachineFactory machines;
  private final int explained;
  private final Map<CpuProfile, VectorBench> benches = new HashMap<>();
  private int tried;

  /**
   * Checks machines of this kind.
   *
   * @param explained how many failures of a file are explained
   */
  public Conformance(MachineFactory machines, int explained) {
    this.machines = machines;
    this.explained = explained;
  }

  /**
   * What came of a file.
   *
   * @param passed vectors that did as recorded
   * @param failed vectors that did not
   * @param skipped vectors that were not tried, by reason
   * @param failures the first failures, each of several lines
   */
  public record Result(long passed, long failed, Map<String, Long> skipped, List<String> failures) {
    /** Whether every vector passed: one that was skipped did not. */
    public boolean isClean() {
      return failed == 0 && skipped.isEmpty();
    }
  }

  /**
   * Tries every vector of a file.
   *
   * @param monitor told of the number of vectors
   * @throws dev.quire.api.guest.InputException naming file and line of what is damaged
   */
  public Result check(Path file, WorkloadMonitor monitor) {
    long passed = 0;
    long failed = 0;
    Map<String, Long> skipped = new TreeMap<>();
    List<String> failures = new ArrayList<>();
    try (VectorReader reader = new VectorReader(file)) {
      for (WalkVector it = reader.next(); it != null; it = reader.next()) {
        if (it.expected() instanceof Expected.Unknown unknown) {
          skipped.merge(unknown.reason(), 1L, Long::sum);
        } else {
          List<String> differences = bench(it).tryOut(it);
          if (differences.isEmpty()) {
            passed++;
          } else if (failed++ < explained) {
            failures.add(VectorBench.describe(it) + "\n  " + String.join("\n  ", differences));
          }
        }
        if (it.line() % PROGRESS_EVERY == 0) {
          monitor.progress(it.line(), 0);
        }
      }
    }
    return new Result(passed, failed, skipped, failures);
  }

  private VectorBench bench(WalkVector vector) {
    if (tried++ % VECTORS_PER_MACHINE == 0) {
      benches.clear();
    }
    CpuProfile profile =
        CpuProfile.full(vector.isNpt() ? Vendor.AMD : Vendor.INTEL, vector.physicalBits());
    return benches.computeIfAbsent(profile, it -> new VectorBench(machines, it));
  }
}
