// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import java.util.concurrent.Callable;
import picocli.AutoComplete.GenerateCompletion;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command without a subcommand: says what there is. */
@Command(
    name = "quire",
    description = "An executable, pluggable model of x86 memory virtualisation.",
    mixinStandardHelpOptions = true,
    versionProvider = Versions.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      RunCommand.class,
      ReplayCommand.class,
      ConformCommand.class,
      AuditCommand.class,
      TortureCommand.class,
      BackendsCommand.class,
      ExplainCommand.class,
      GenerateCompletion.class
    },
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:everything was as it should be",
      "1:something differed",
      "2:a mistake in what Quire was given",
      "3:a defect in Quire or in a plug-in"
    })
public final class QuireCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  /** Made by picocli, which sets the field. */
  @SuppressWarnings("NullAway.Init")
  private QuireCommand() {}

  /** The whole command line, ready to execute. */
  public static CommandLine commandLine() {
    CommandLine line = new CommandLine(new QuireCommand());
    return line.setParameterExceptionHandler(Failures::mistakenArguments)
        .setExecutionExceptionHandler(Failures::failed)
        .setExecutionStrategy(Failures::execute);
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return Failures.MISTAKE;
  }
}
