// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.bench.Kernel.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What two dimensions of tables cost, beside C kernels that make the same references. */
@Command(
    name = "nested",
    mixinStandardHelpOptions = true,
    description = "Cost of an access under nested paging, uncached and cached, beside C kernels.")
final class NestedRun implements Callable<Integer> {
  private static final double GOAL = 1.5;
  private static final int PASSES = 3;

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

  @Option(
      names = "--trace",
      defaultValue = "examples/traces/linux-amd64-4level-nopti.small.zst",
      description = "The recorded window that real is made from. ${DEFAULT-VALUE}.")
  private Path trace = Path.of("");

  private boolean equal = true;

  private NestedRun() {}

  @Override
  public Integer call() throws Exception {
    Files.createDirectories(work);
    List<Path> streams = new StreamFiles(work, trace).of(List.of("W3", "W1", "real"));
    List<Kernel> uncached = new ArrayList<>(CKernels.compileNestedUncached(work));
    uncached.add(Kernel.java("machine", Role.MACHINE, NestedKernel.class, NestedKernel.UNCACHED));
    compare("W3, uncached under EPT", streams.get(0), uncached);
    List<Kernel> cached = new ArrayList<>(CKernels.compileNested(work));
    cached.add(Kernel.java("machine", Role.MACHINE, NestedKernel.class));
    compare("W3 under EPT", streams.get(0), cached);
    cached.add(Kernel.java("machine, native", Role.NATIVE, JavaKernel.class));
    compare("W1 under EPT", streams.get(1), cached);
    compare("real under EPT", streams.get(2), cached);
    return equal ? 0 : 1;
  }

  private void compare(String title, Path stream, List<Kernel> kernels)
      throws IOException, InterruptedException {
    Comparison comparison = new Comparison(title);
    for (int round = 0; round < rounds; round++) {
      for (Kernel kernel : kernels) {
        comparison.add(kernel, kernel.run(stream, PASSES));
      }
    }
    comparison.print(System.out);
    equal &= comparison.isEqual();
    double machine = comparison.best(Role.MACHINE).orElseThrow();
    verdict("C", machine, comparison.best(Role.LIMIT), GOAL);
    verdict("native", machine, comparison.best(Role.NATIVE), 1);
    System.out.printf(Locale.ROOT, "  host load %.1f%n%n", WholeRun.hostLoad());
  }

  private static void verdict(String to, double machine, OptionalDouble other, double goal) {
    if (other.isPresent()) {
      double ratio = machine / other.getAsDouble();
      String verdict = ratio <= goal ? "reached" : "missed";
      System.out.printf(Locale.ROOT, "  to %s %.2f, goal %.1f: %s%n", to, ratio, goal, verdict);
    }
  }
}
