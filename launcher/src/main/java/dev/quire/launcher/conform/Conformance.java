// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.launcher.conform.WalkVector.Expected;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/** Tries the vectors of files on bare machines, or in guests under a backend. */
public final class Conformance {
  /**
   * Vectors that one machine sees. A frame of memory once made stays for good, and vectors scatter
   * their tables over all of it; a new machine now and then bounds what they hold.
   */
  private static final int VECTORS_PER_MACHINE = 2048;

  /** The same where a domain's p2m keeps every table that it ever had. */
  private static final int VECTORS_PER_DOMAIN = 256;

  private static final int PROGRESS_EVERY = 512;

  private final Function<CpuProfile, Bench> maker;
  private final int vectorsPerBench;
  private final Set<String> modes;
  private final int explained;
  private final Map<CpuProfile, Bench> benches = new HashMap<>();
  private int tried;

  private Conformance(
      Function<CpuProfile, Bench> maker, int vectorsPerBench, Set<String> modes, int explained) {
    this.maker = maker;
    this.vectorsPerBench = vectorsPerBench;
    this.modes = modes;
    this.explained = explained;
  }

  /**
   * Checks bare machines.
   *
   * @param explained how many failures of a file are explained
   */
  public static Conformance ofMachines(MachineFactory machines, int explained) {
    Set<String> modes = new HashSet<>(WalkVector.ONE_DIMENSION);
    modes.addAll(WalkVector.TWO_DIMENSIONS);
    return new Conformance(
        profile -> new VectorBench(machines, profile), VECTORS_PER_MACHINE, modes, explained);
  }

  /**
   * Checks what a guest sees under a backend: vectors of one dimension, the guest's, since the
   * second one is the backend's business.
   *
   * @param explained how many failures of a file are explained
   */
  public static Conformance ofBackend(
      MachineFactory machines,
      HypervisorFactory hypervisors,
      PagingBackend backend,
      int explained) {
    return new Conformance(
        profile -> new DomainBench(machines, hypervisors, backend, profile),
        VECTORS_PER_DOMAIN,
        WalkVector.ONE_DIMENSION,
        explained);
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
        } else if (!modes.contains(it.mode())) {
          skipped.merge("the second dimension is not the guest's", 1L, Long::sum);
        } else {
          List<String> differences = bench(it).tryOut(it);
          if (differences.isEmpty()) {
            passed++;
          } else if (failed++ < explained) {
            failures.add(it.describe() + "\n  " + String.join("\n  ", differences));
          }
        }
        if (it.line() % PROGRESS_EVERY == 0) {
          monitor.progress(it.line(), 0);
        }
      }
    }
    return new Result(passed, failed, skipped, failures);
  }

  private Bench bench(WalkVector vector) {
    if (tried++ % vectorsPerBench == 0) {
      benches.clear();
    }
    CpuProfile profile =
        CpuProfile.full(vector.isNpt() ? Vendor.AMD : Vendor.INTEL, vector.physicalBits());
    return benches.computeIfAbsent(profile, maker);
  }
}
