// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.guest.InputException;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line of the benchmarks. */
@Command(
    name = "bench/run",
    mixinStandardHelpOptions = true,
    description = "Measures Quire. Without a command: all of them.",
    subcommands = {
      WholeRun.class,
      NestedRun.class,
      ShadowRun.class,
      FileToCounters.class,
      Scale.class,
      Micro.class
    })
final class Bench {
  private Bench() {}

  public static void main(String[] arguments) {
    CommandLine commands = new CommandLine(new Bench());
    commands.setExecutionExceptionHandler(
        (exception, command, result) -> {
          command.getErr().println("bench: " + exception.getMessage());
          return exception instanceof IllegalArgumentException
                  || exception instanceof InputException
              ? 2
              : 1;
        });
    System.exit(arguments.length == 0 ? all(commands) : commands.execute(arguments));
  }

  private static int all(CommandLine commands) {
    int worst = 0;
    for (String name : commands.getSubcommands().keySet()) {
      System.out.printf("---- %s%n%n", name);
      worst = Math.max(worst, commands.execute(name));
      System.out.println();
    }
    return worst;
  }
}
