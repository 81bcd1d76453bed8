// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.torture.PvTorture.Findings;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "torture",
    description = {
      "Random hypercalls and stores of two Xen PV domains, one of which has power over the other.",
      "Counts are audited all the time, and hardware must reach nothing that is another's. A failure is"
          + " told with as few steps as still show it."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings({"NullAway.Init", "UnusedVariable"}) // picocli sets the fields, and wants --pv
final class TortureCommand implements Callable<Integer> {
  private static final long TELL_EVERY = 1_000_000;

  @Spec private CommandSpec spec;

  @Option(names = "--pv", required = true, description = "PV domains: the kind that there is.")
  private boolean pv;

  @Option(
      names = "--steps",
      paramLabel = "N",
      defaultValue = "10000000",
      description = "How many steps (default: ${DEFAULT-VALUE}).")
  private long steps;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "The same seed makes the same steps (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try (Launch launch = Launch.openAll(Home.fromProperty(), Settings.read(null, List.of()))) {
      Findings findings =
          launch
              .pvTorture(seed)
              .run(
                  steps,
                  done -> {
                    if (done % TELL_EVERY == 0) {
                      out.printf(Locale.ROOT, "%,d steps%n", done);
                      out.flush();
                    }
                  });
      findings.failure().forEach(out::println);
      findings
          .counts()
          .forEach((name, count) -> out.printf(Locale.ROOT, "%-44s %,d%n", name, count));
      out.printf(
          Locale.ROOT,
          "RESULT  %s in %,d steps, seed %d%n",
          findings.failure().isEmpty() ? "no failure" : "a failure",
          findings.steps(),
          seed);
      out.flush();
      return findings.failure().isEmpty() ? 0 : Failures.DIFFERED;
    }
  }
}
