// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.host.ApiManifest;
import picocli.CommandLine.IVersionProvider;

/** What {@code --version} says. */
final class Versions implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {
      "quire " + ApiManifest.read().version(),
      System.getProperty("java.vm.name") + " " + Runtime.version(),
    };
  }
}
