// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Settings;
import dev.quire.launcher.report.Catalogue;
import dev.quire.launcher.run.Home;
import dev.quire.launcher.run.Launch;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "backends",
    description =
        "Lists what was found in bundles/ and plugins/: backends, workloads, caches, TLBs.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class BackendsCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--presets",
      description = "Prints the names of the TLB presets and nothing else, for scripts.")
  private boolean presetsOnly;

  @Override
  public Integer call() {
    try (Launch launch = Launch.open(Home.fromProperty(), Settings.read(null, List.of()))) {
      if (presetsOnly) {
        launch.machines().presets().keySet().forEach(spec.commandLine().getOut()::println);
      } else {
        new Catalogue(spec.commandLine().getOut()).print(launch);
      }
      launch.problems().forEach(it -> spec.commandLine().getErr().println("quire: " + it));
      return launch.problems().isEmpty() ? 0 : Failures.MISTAKE;
    }
  }
}
