// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher;

import dev.quire.launcher.command.QuireCommand;

/** The entry point. */
public final class Main {
  private Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] args) {
    System.exit(QuireCommand.commandLine().execute(args));
  }
}
