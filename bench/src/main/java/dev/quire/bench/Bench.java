// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.guest.InputException;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line of the benchmarks. */
@Command(
    name = "bench/run",
    mixinStandardHelpOptions = true,
    description = "Measures Quire. Without a command: whole.",
    subcommands = {WholeRun.class, FileToCounters.class, Scale.class, Micro.class})
final class Bench {
  private Bench() {}

  public static void main(String[] arguments) {
    String[] line = arguments.length == 0 ? new String[] {"whole"} : arguments;
    CommandLine commands = new CommandLine(new Bench());
    commands.setExecutionExceptionHandler(
        (exception, command, result) -> {
          command.getErr().println("bench: " + exception.getMessage());
          return exception instanceof IllegalArgumentException
                  || exception instanceof InputException
              ? 2
              : 1;
        });
    System.exit(commands.execute(line));
  }
}
