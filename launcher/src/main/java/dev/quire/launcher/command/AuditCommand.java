// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import dev.quire.launcher.xen.XenRecords;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "audit",
    description = {
      "Checks memory dumps of a running Xen.",
      "Builds each dump's frame table anew by the code that guests' hypercalls go through, from pins,"
          + " roots and the content of pagetables, and compares types, counts and flags."
    },
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class AuditCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "DUMP",
      description = "Dumps (JSON Lines, zstd or gzip or not).")
  private List<Path> files;

  @Option(
      names = "--show",
      paramLabel = "N",
      defaultValue = "20",
      description = "How many lines of each kind are printed (default: ${DEFAULT-VALUE}).")
  private int shown;

  @Override
  public Integer call() {
    boolean clean = true;
    try (Launch launch = Launch.openAll(Home.fromProperty(), Settings.read(null, List.of()))) {
      XenRecords records = launch.xenRecords();
      for (Path file : files) {
        clean &= records.audit(file, spec.commandLine().getOut(), shown);
      }
    }
    return clean ? 0 : Failures.DIFFERED;
  }
}
