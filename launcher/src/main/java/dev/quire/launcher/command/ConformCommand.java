// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

@Command(name = "conform", mixinStandardHelpOptions = true)
final class ConformCommand implements Callable<Integer> {
  @Override
  public Integer call() {
    return 2;
  }
}
