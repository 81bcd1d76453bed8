// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --set}, for every command that has a configuration. */
final class Overrides {
  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "Sets a key of the configuration, such as machine.caching=off. May be repeated.")
  private List<String> sets = new ArrayList<>();

  /** What was set, and after it what other options of the command stand for. */
  List<String> with(List<@Nullable String> others) {
    List<String> all = new ArrayList<>(sets);
    for (String other : others) {
      if (other != null) {
        all.add(other);
      }
    }
    return all;
  }

  /** An option of a command as the key that it stands for; null if it was not given. */
  static @Nullable String of(String key, @Nullable Object value) {
    return value == null ? null : key + "=" + value;
  }
}
