// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import com.github.luben.zstd.ZstdInputStream;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadFactory;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * From a compressed recording to the counters: everything that {@code quire replay} does between
 * opening the file and having its report, each access compared. The machine is built once, as for a
 * study of many recordings; the first run shows what a single one pays for compilation.
 */
@Command(
    name = "replay",
    mixinStandardHelpOptions = true,
    description = "Cost of an access from a compressed window file to the counters.")
final class FileToCounters implements Callable<Integer> {
  private static final int AT_ONCE = 4096;
  private static final int BUFFER = 256 << 10;

  @Parameters(
      arity = "0..*",
      paramLabel = "TRACE",
      defaultValue = "examples/traces/linux-amd64-4level-nopti.small.zst",
      description = "Window files. ${DEFAULT-VALUE}.")
  private List<Path> traces = new ArrayList<>();

  @Option(
      names = "--runs",
      defaultValue = "9",
      description = "Runs after the first; medians are printed. ${DEFAULT-VALUE}.")
  private int runs;

  @Option(
      names = "--preset",
      defaultValue = "skylake",
      description = "TLBs of the machine. ${DEFAULT-VALUE}.")
  private String preset = "";

  private FileToCounters() {}

  /** What a run took, of all threads and by the clock. Unit: ns. */
  private record Cost(double cpu, double wall) {
    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%7.2f CPU %7.2f wall", cpu, wall);
    }
  }

  /** Something to be measured; answers how many accesses there were. */
  private interface Run {
    long run() throws IOException;
  }

  @Override
  public Integer call() throws IOException {
    boolean same = true;
    for (Path trace : traces) {
      System.out.printf(
          Locale.ROOT, "%s: %,d bytes, ns an access:%n", trace.getFileName(), Files.size(trace));
      long accesses = read(trace);
      show("decompressed", () -> decompress(trace, accesses));
      show("decompressed and decoded", () -> read(trace));
      try (Workload workload = open(trace)) {
        same &= replay(trace, machine(workload.needs()));
      }
      System.out.printf(Locale.ROOT, "  host load %.1f%n%n", WholeRun.hostLoad());
    }
    return same ? 0 : 1;
  }

  private boolean replay(Path trace, Machine machine) throws IOException {
    long[] differences = {0};
    show(
        "replayed and compared",
        () -> {
          machine.cpu(0).flush();
          machine.cpu(0).counters().reset();
          differences[0] += replayOnce(trace, machine);
          return machine.cpu(0).counters().get(HwEvent.ACCESSES);
        });
    System.out.printf("  differences %d%n", differences[0]);
    return differences[0] == 0;
  }

  private static long replayOnce(Path trace, Machine machine) {
    Hypervisor hypervisor = Services.only(HypervisorFactory.class).create(machine);
    DomainSpec whole =
        new DomainSpec(1, machine.memory().ram(), DomainSpec.Placement.IDENTITY, 0, 0, 1);
    Domain domain = hypervisor.createDomain(Services.nativePaging(), whole);
    try (Workload workload = open(trace)) {
      WorkloadReport report = workload.run(domain, Toolstack.NONE, WorkloadMonitor.NONE);
      return report.differences();
    } finally {
      hypervisor.destroy(domain);
    }
  }

  private static Workload open(Path trace) {
    return Services.first(WorkloadFactory.class, factory -> factory.name().equals("replay"))
        .open(Map.of("trace", trace.toString()));
  }

  private Machine machine(Workload.Needs needs) {
    MachineFactory factory = Services.only(MachineFactory.class);
    MachineFactory.Preset tlb = factory.presets().get(preset);
    if (tlb == null) {
      throw new IllegalArgumentException(
          "there is no preset " + preset + "; there are " + factory.presets().keySet());
    }
    MachineSpec spec =
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
            .withRam(needs.memory())
            .withTlb(tlb.geometry())
            .withTraining(true);
    return factory.create(spec);
  }

  private static long decompress(Path trace, long accesses) throws IOException {
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = new ZstdInputStream(Files.newInputStream(trace))) {
      int size;
      do {
        size = in.read(buffer);
      } while (size >= 0);
    }
    return accesses;
  }

  /** Reading alone; answers how many accesses there are. */
  private static long read(Path trace) {
    long[] operations = new long[AT_ONCE];
    long[] places = new long[AT_ONCE];
    long count = 0;
    try (TraceReader reader = TraceReader.open(trace)) {
      int tag;
      do {
        int size;
        do {
          size = reader.accesses(operations, places, 0, AT_ONCE);
          count += size;
        } while (size == AT_ONCE);
        tag = reader.next();
        count += tag == Tag.ACCESS ? 1 : 0;
      } while (tag != Tag.END);
    }
    return count;
  }

  private void show(String what, Run run) throws IOException {
    Cost first = cost(run);
    List<Cost> costs = new ArrayList<>();
    for (int i = 0; i < runs; i++) {
      costs.add(cost(run));
    }
    Cost median =
        new Cost(
            median(costs.stream().mapToDouble(Cost::cpu).toArray()),
            median(costs.stream().mapToDouble(Cost::wall).toArray()));
    System.out.printf("  %-26s first %s   median %s%n", what, first, median);
  }

  private Cost cost(Run run) throws IOException {
    long cpu = ProcessTime.nanos();
    long wall = System.nanoTime();
    double accesses = run.run();
    return new Cost((ProcessTime.nanos() - cpu) / accesses, (System.nanoTime() - wall) / accesses);
  }

  private static double median(double[] values) {
    java.util.Arrays.sort(values);
    return values[values.length / 2];
  }
}
