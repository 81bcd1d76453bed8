// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the microbenchmarks, and fails if one of them allocates. */
@Command(
    name = "jmh",
    mixinStandardHelpOptions = true,
    description = "Microbenchmarks of single operations; none may allocate.")
final class Micro implements Callable<Integer> {
  private static final String ALLOCATED = "gc.alloc.rate.norm";

  /** What JMH's own loop allocates comes out as less than this an operation. */
  private static final double NOTHING = 0.05;

  @Parameters(
      arity = "0..*",
      paramLabel = "PATTERN",
      description = "Which benchmarks, as regular expressions; all if none is given.")
  private List<String> patterns = new ArrayList<>();

  @Option(names = "--forks", defaultValue = "2", description = "Processes for each.")
  private int forks;

  @Option(names = "--seconds", defaultValue = "5", description = "Of measurement in each.")
  private int seconds;

  private Micro() {}

  @Override
  public Integer call() throws RunnerException {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .jvmArgs("-Xmx1g")
            .forks(forks)
            .warmupIterations(3)
            .warmupTime(TimeValue.seconds(1))
            .measurementIterations(seconds)
            .measurementTime(TimeValue.seconds(1))
            .addProfiler(GCProfiler.class)
            .verbosity(VerboseMode.SILENT);
    patterns.forEach(options::include); // all if there is none
    Collection<RunResult> results = new Runner(options.build()).run();
    System.out.printf("%-44s %20s %12s%n", "benchmark", "ns/operation", "bytes");
    boolean allocates = false;
    for (RunResult result : results) {
      allocates |= print(result);
    }
    return allocates ? 1 : 0;
  }

  private static boolean print(RunResult result) {
    Result<?> time = result.getPrimaryResult();
    Result<?> allocated = result.getSecondaryResults().get(ALLOCATED);
    if (allocated == null) {
      throw new IllegalStateException("the profiler gave no " + ALLOCATED);
    }
    String name = result.getParams().getBenchmark().replace("dev.quire.bench.jmh.", "");
    String parameter = result.getParams().getParam("stream");
    boolean allocates = allocated.getScore() > NOTHING;
    System.out.printf(
        Locale.ROOT,
        "%-44s %10.2f ± %7.2f %12.4f%s%n",
        parameter == null ? name : name + " " + parameter,
        time.getScore(),
        time.getScoreError(),
        allocated.getScore(),
        allocates ? "  ALLOCATES" : "");
    return allocates;
  }
}
