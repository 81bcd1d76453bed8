// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.report.Progress;
import dev.quire.launcher.report.TextReport;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.run.Outcome;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "explain",
    description = {
      "Shows one walk of a recording entry by entry: every flag by its name, and what ended the walk."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ExplainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--trace", required = true, paramLabel = "FILE", description = "The recording.")
  private Path trace;

  @ArgGroup(multiplicity = "1")
  private Place place;

  @Option(
      names = "--va",
      paramLabel = "ADDRESS",
      description = "Walks for this linear address at that point, instead of the record's own.")
  private @Nullable String linear;

  @Option(
      names = "--paging",
      paramLabel = "BACKEND",
      description = "The paging backend: key paging.backend.")
  private @Nullable String paging;

  @Mixin private Overrides overrides;

  /** Where in the recording. */
  static final class Place {
    @Option(
        names = "--at",
        paramLabel = "N",
        description = "The record's number, as differences are printed with it.")
    private @Nullable Long record;

    @Option(
        names = "--instruction",
        paramLabel = "N",
        description = "The record nearest to this instruction count.")
    private @Nullable Long instruction;
  }

  @Override
  public Integer call() {
    overrides
        .option("--trace", "workload.trace", trace)
        .option("--paging", "paging.backend", paging)
        .option("--at", "workload.at", place.record)
        .option("--instruction", "workload.instruction", place.instruction)
        .option("--va", "workload.va", linear);
    Settings settings = Settings.read(null, overrides.all());
    try (Launch launch = Launch.openAll(Home.fromProperty(), settings)) {
      Outcome outcome =
          Progress.watch(
              spec.commandLine().getErr(),
              "explain",
              progress -> launch.run(settings.workload().options(), progress));
      TextReport.explain(spec.commandLine().getOut(), outcome);
      return 0;
    }
  }
}
