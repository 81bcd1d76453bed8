// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.command;

import dev.quire.launcher.config.Assignment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --set}, for every command that has a configuration, and options that stand for keys. */
final class Overrides {
  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "Sets a key of the configuration, such as machine.caching=off. May be repeated.")
  private List<String> sets = new ArrayList<>();

  private final List<Assignment> options = new ArrayList<>();

  /**
   * Adds what an option of a command stands for.
   *
   * @param value null if the option was not given
   */
  Overrides option(String option, String key, @Nullable Object value) {
    if (value != null) {
      options.add(new Assignment(key, value.toString(), option + " " + value));
    }
    return this;
  }

  /** Everything that was set; the later of two wins. */
  List<Assignment> all() {
    List<Assignment> all = new ArrayList<>(sets.stream().map(Assignment::set).toList());
    all.addAll(options);
    return all;
  }
}
