// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * What an access costs through the block interface, beside C kernels that run the same streams in
 * the same minutes: each measurement in a process of its own, kernels in turn, medians of rounds.
 */
@Command(
    name = "whole",
    mixinStandardHelpOptions = true,
    description = "Cost of an access through the block interface, beside C kernels.")
final class WholeRun implements Callable<Integer> {
  @Parameters(
      arity = "0..*",
      paramLabel = "STREAM",
      description = "W1, W2, W3, real or rights; all if none is given.")
  private List<String> chosen = new ArrayList<>();

  @Option(
      names = "--rounds",
      defaultValue = "5",
      description = "Processes for each stream and kernel; medians are printed. ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--passes",
      defaultValue = "5",
      description = "Timed passes over the stream in each process. ${DEFAULT-VALUE}.")
  private int passes;

  @Option(names = "--quick", description = "One round of three passes.")
  private boolean quick;

  @Option(
      names = "--work",
      defaultValue = "bench/target/streams",
      description = "Where streams and C kernels are put. ${DEFAULT-VALUE}.")
  private Path work = Path.of("");

  @Option(
      names = "--trace",
      defaultValue = "examples/traces/linux-amd64-4level-nopti.small.zst",
      description = "The recorded window that real is made from. ${DEFAULT-VALUE}.")
  private Path trace = Path.of("");

  private List<Kernel> kernels = List.of();

  private WholeRun() {}

  @Override
  public Integer call() throws Exception {
    if (quick) {
      rounds = 1;
      passes = 3;
    }
    Files.createDirectories(work);
    List<Path> streams = new StreamFiles(work, trace).of(chosen);
    List<Kernel> inC = CKernels.compile(work);
    if (inC.isEmpty()) {
      System.out.println("There is no C compiler (cc): ratios are left out.");
    }
    kernels = new ArrayList<>(inC);
    kernels.add(Kernel.java("fused", Role.FUSED, FusedRun.class));
    kernels.add(Kernel.java("machine", Role.MACHINE, JavaKernel.class));
    List<Comparison> comparisons = new ArrayList<>();
    for (Path stream : streams) {
      Comparison comparison = new Comparison(String.valueOf(stream.getFileName()));
      run(stream, comparison);
      comparison.print(System.out);
      System.out.printf(Locale.ROOT, "  host load %.1f%n%n", hostLoad());
      comparisons.add(comparison);
    }
    Goals.print(comparisons, System.out);
    return comparisons.stream().allMatch(Comparison::isEqual) ? 0 : 1;
  }

  /** On a terminal, what is being measured; the next line takes its place. */
  private void progress(Path stream, int round, Kernel kernel) {
    if (Boolean.getBoolean("quire.terminal")) {
      String text =
          String.format("%s round %d of %d %s", stream.getFileName(), round + 1, rounds, kernel);
      System.err.printf("%-70.70s\r", text);
    }
  }

  static double hostLoad() {
    return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
  }

  private void run(Path stream, Comparison comparison) throws IOException, InterruptedException {
    for (int round = 0; round < rounds; round++) {
      for (Kernel kernel : kernels) {
        if (comparison.isFor(kernel)) {
          progress(stream, round, kernel);
          comparison.add(kernel, kernel.run(stream, passes));
        }
      }
    }
  }
}
