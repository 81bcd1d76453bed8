// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.api.guest.InputException;
import dev.quire.launcher.config.Assignment;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.conform.Conformance;
import dev.quire.launcher.conform.Conformance.Result;
import dev.quire.launcher.report.ConformTable;
import dev.quire.launcher.report.Progress;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.xen.XenRecords;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "conform",
    description = {
      "Checks the machine's walker against recorded vectors, and PV guests' hypercalls against"
          + " recorded ones of a real Xen.",
      "Exit code 0 only if every vector passed: one that was skipped has not passed."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ConformCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "FILE",
      description = "Vectors, or hypercalls (JSON Lines, zstd or gzip or not).")
  private List<Path> files;

  @Option(
      names = "--show",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many failures of a file are explained (default: ${DEFAULT-VALUE}).")
  private int shown;

  @Mixin private Overrides overrides;

  @Override
  public Integer call() {
    refuseWhatVectorsSay(overrides.all());
    Settings settings = Settings.read(null, overrides.all());
    ConformTable table = new ConformTable(spec.commandLine().getOut(), files);
    boolean clean = true;
    try (Launch launch = Launch.openAll(Home.fromProperty(), settings)) {
      for (Path file : files) {
        if (XenRecords.isHypercalls(file)) {
          clean &= launch.xenRecords().conform(file, spec.commandLine().getOut(), shown);
          continue;
        }
        // One for each file, so that memory which the vectors of one took is given back.
        Conformance conformance = new Conformance(launch.machines(), shown);
        Result result =
            Progress.watch(
                spec.commandLine().getErr(),
                String.valueOf(file.getFileName()),
                progress -> conformance.check(file, progress));
        table.add(file, result);
        clean &= result.isClean();
      }
    }
    table.total();
    return clean ? 0 : Failures.DIFFERED;
  }

  /** A vector brings its own machine and needs no guest: keys about them would have no effect. */
  private static void refuseWhatVectorsSay(List<Assignment> assignments) {
    for (Assignment assignment : assignments) {
      if (!assignment.key().startsWith("plugins") && !assignment.key().startsWith("bundles")) {
        throw new InputException(
            assignment.origin() + ": no effect on conform, each vector says what its machine is");
      }
    }
  }
}
