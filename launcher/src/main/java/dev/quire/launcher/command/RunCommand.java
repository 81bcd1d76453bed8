// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.report.JsonReport;
import dev.quire.launcher.report.Progress;
import dev.quire.launcher.report.TextReport;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.run.Outcome;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "run",
    description = "Launches a configuration and reports what happened.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class RunCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "CONFIG", description = "The configuration file.")
  private Path config;

  @Mixin private Overrides overrides;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Writes the report as JSON too: key report.json.")
  private @Nullable Path json;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "The seed of everything random: key machine.seed.")
  private @Nullable Long seed;

  @Option(
      names = "--until",
      paramLabel = "N",
      description = "Stops the workload after N of its steps: key workload.until.")
  private @Nullable Long until;

  @Override
  public Integer call() {
    overrides
        .option("--json", "report.json", json)
        .option("--seed", "machine.seed", seed)
        .option("--until", "workload.until", until);
    Settings settings = Settings.read(config, overrides.all());
    JsonReport.checkTarget(settings.report().json());
    try (Launch launch = Launch.openAll(Home.fromProperty(), settings)) {
      Outcome outcome =
          Progress.watch(
              spec.commandLine().getErr(),
              "run",
              progress -> launch.run(settings.workload().options(), progress));
      new TextReport(spec.commandLine().getOut(), settings.report().differences()).print(outcome);
      JsonReport.write(settings.report().json(), outcome);
      return outcome.isClean() ? 0 : Failures.DIFFERED;
    }
  }
}
