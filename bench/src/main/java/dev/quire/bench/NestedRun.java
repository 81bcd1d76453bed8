// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What a walk in two dimensions costs, beside a C kernel that makes the same references. */
@Command(
    name = "nested",
    mixinStandardHelpOptions = true,
    description = "Cost of a walk of 24 references in two dimensions, beside a C kernel.")
final class NestedRun implements Callable<Integer> {
  private static final double GOAL = 1.5;

  @Option(
      names = "--rounds",
      defaultValue = "3",
      description = "Processes for each kernel; medians are printed. ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--work",
      defaultValue = "bench/target/streams",
      description = "Where streams and C kernels are put. ${DEFAULT-VALUE}.")
  private Path work = Path.of("");

  private NestedRun() {}

  @Override
  public Integer call() throws Exception {
    Files.createDirectories(work);
    Path stream = work.resolve("W3");
    SyntheticStreams.w3().write(stream);
    List<Kernel> kernels = new ArrayList<>(CKernels.compileNested(work));
    kernels.add(Kernel.java("machine", Role.MACHINE, NestedKernel.class));
    Comparison comparison = new Comparison("W3, uncached under EPT");
    for (int round = 0; round < rounds; round++) {
      for (Kernel kernel : kernels) {
        comparison.add(kernel, kernel.run(stream, 3));
      }
    }
    comparison.print(System.out);
    System.out.printf(Locale.ROOT, "  host load %.1f%n", WholeRun.hostLoad());
    OptionalDouble limit = comparison.best(Role.LIMIT);
    if (limit.isPresent()) {
      double ratio = comparison.best(Role.MACHINE).orElseThrow() / limit.getAsDouble();
      String verdict = ratio <= GOAL ? "reached" : "missed";
      System.out.printf(Locale.ROOT, "  to C %.2f, goal %.1f: %s%n", ratio, GOAL, verdict);
    }
    return comparison.isEqual() ? 0 : 1;
  }
}
