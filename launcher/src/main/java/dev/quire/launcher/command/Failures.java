// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.api.guest.InputException;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** How commands end that cannot do what they were asked. */
final class Failures {
  /** Something differed. */
  static final int DIFFERED = 1;

  /** A mistake of the user's. */
  static final int MISTAKE = 2;

  /** A mistake of ours. */
  static final int DEFECT = 3;

  private Failures() {}

  static int mistakenArguments(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    PrintWriter err = line.getErr();
    err.println("quire: " + e.getMessage());
    UnmatchedArgumentException.printSuggestions(e, err);
    err.println("Try: " + line.getCommandSpec().qualifiedName() + " --help");
    return MISTAKE;
  }

  static int failed(Exception e, CommandLine line, ParseResult parsed) {
    PrintWriter err = line.getErr();
    if (e instanceof InputException) {
      err.println("quire: " + e.getMessage());
      return MISTAKE;
    }
    return defect(e, line);
  }

  /**
   * Runs a command as picocli does, which knows what to do with exceptions but lets errors end the
   * process with the exit code of a difference: a plug-in that was compiled against another API
   * throws errors.
   */
  static int execute(ParseResult parsed) {
    try {
      return new CommandLine.RunLast().execute(parsed);
    } catch (LinkageError | VirtualMachineError | AssertionError e) {
      return defect(e, parsed.commandSpec().commandLine());
    }
  }

  private static int defect(Throwable e, CommandLine line) {
    PrintWriter err = line.getErr();
    err.println("quire: this should not have happened; it is a defect in Quire or in a plug-in:");
    e.printStackTrace(err);
    err.flush();
    return DEFECT;
  }
}
