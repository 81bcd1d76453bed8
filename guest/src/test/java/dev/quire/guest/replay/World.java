// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.domain.Domain;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.hw.machine.X86MachineFactory;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A machine with a recording on it, as the launcher would build it. */
public final class World {
  final Domain domain;
  final WorkloadReport report;

  World(Domain domain, WorkloadReport report) {
    this.domain = domain;
    this.report = report;
  }

  /** The TLBs that a user gets who asks for none. */
  public static TlbGeometry defaultTlb() {
    return new X86MachineFactory().presets().values().iterator().next().geometry();
  }

  /**
   * Replays a trace to its end on the bare machine.
   *
   * @param options alternating keys and values
   */
  static World replay(Path trace, @Nullable TlbGeometry tlb, String... options) {
    return replay(Host.bare(tlb), trace, options);
  }

  /** The same on any host. */
  static World replay(Host host, Path trace, String... options) {
    Map<String, String> all = new TreeMap<>();
    all.put("trace", trace.toString());
    for (int i = 0; i < options.length; i += 2) {
      all.put(options[i], options[i + 1]);
    }
    try (Workload workload = new ReplayFactory().open(all)) {
      return host.run(workload);
    }
  }

  /** What it found. */
  public WorkloadReport report() {
    return report;
  }

  long counted(HwEvent event) {
    return domain.machine().cpu(0).counters().get(event);
  }

  long fact(String name) {
    return (Long) report.facts().get(name);
  }
}
