// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.api.guest.InputException;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.report.JsonReport;
import dev.quire.launcher.report.Progress;
import dev.quire.launcher.report.ReplayTable;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.run.Outcome;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "replay",
    description = {
      "Replays recorded boots, each on a machine of its own, and compares.",
      "The machine is the default one: RAM as in the recording, MAXPHYADDR 40, every CPU feature."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ReplayCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(arity = "1..*", paramLabel = "TRACE", description = "Recordings (X86PTRC1).")
  private List<Path> traces;

  @Option(
      names = "--paging",
      paramLabel = "BACKEND",
      description = "The paging backend: key paging.backend.")
  private @Nullable String paging;

  @Option(
      names = "--check-ad",
      description =
          "Also compares page-table memory, A and D bits included: key workload.check-ad.")
  private boolean checkAd;

  @Option(
      names = "--disturb",
      paramLabel = "SEED",
      description =
          "Changes the guest's memory underneath it, at random safe points: key workload.disturb.")
  private @Nullable Long disturb;

  @Option(
      names = "--disturb-every",
      paramLabel = "N",
      description = "About every N operations, 4096 by default: key workload.disturb-every.")
  private @Nullable Long disturbEvery;

  @Option(
      names = "--swap-every",
      paramLabel = "N",
      description = "Swaps the backend about every N operations: key workload.swap-every.")
  private @Nullable Long swapEvery;

  @Option(
      names = "--swap-among",
      paramLabel = "BACKEND,...",
      description = "Only between these backends: key workload.swap-among.")
  private @Nullable String swapAmong;

  @Option(
      names = "--audit-every",
      paramLabel = "N",
      description = "Has the backend audit itself every N operations: key workload.audit-every.")
  private @Nullable Long auditEvery;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Writes the report of the trace, there must be one only, as JSON: report.json.")
  private @Nullable Path json;

  @Option(
      names = "--until",
      paramLabel = "N",
      description = "Stops each trace after N records: key workload.until.")
  private @Nullable Long until;

  @Mixin private Overrides overrides;

  @Override
  public Integer call() {
    overrides
        .option("--paging", "paging.backend", paging)
        .option("--check-ad", "workload.check-ad", checkAd ? "true" : null)
        .option("--disturb", "workload.disturb", disturb)
        .option("--disturb-every", "workload.disturb-every", disturbEvery)
        .option("--swap-every", "workload.swap-every", swapEvery)
        .option("--swap-among", "workload.swap-among", swapAmong)
        .option("--audit-every", "workload.audit-every", auditEvery)
        .option("--json", "report.json", json)
        .option("--until", "workload.until", until);
    Settings settings = Settings.read(null, overrides.all());
    Path report = settings.report().json();
    if (report != null && traces.size() > 1) {
      throw new InputException(report + ": one report is for one trace, not for " + traces.size());
    }
    JsonReport.checkTarget(report);
    ReplayTable table =
        new ReplayTable(spec.commandLine().getOut(), traces, settings.report().differences());
    try (Launch launch = Launch.openAll(Home.fromProperty(), settings)) {
      for (Path trace : traces) {
        Map<String, String> options = new TreeMap<>(settings.workload().options());
        options.put("trace", trace.toString());
        String name = String.valueOf(trace.getFileName());
        Outcome outcome =
            Progress.watch(
                spec.commandLine().getErr(), name, progress -> launch.run(options, progress));
        table.add(trace, outcome);
        JsonReport.write(report, outcome);
      }
    }
    table.total();
    return table.isClean() ? 0 : Failures.DIFFERED;
  }
}
