// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.guest.InputException;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.Provider;
import dev.quire.launcher.host.ServiceType;
import java.util.List;
import java.util.stream.Collectors;

/** The message about a provider that a configuration names and nobody provides. */
final class Missing {
  private Missing() {}

  static <T> InputException of(PluginHost host, ServiceType<T> type, Setting<String> name) {
    List<Provider<T>> there = host.providers(type);
    String others =
        there.isEmpty()
            ? "no bundle that was started provides any"
            : "there are: "
                + there.stream()
                    .map(it -> it.name() + " (" + it.bundle() + " " + it.version() + ")")
                    .collect(Collectors.joining(", "));
    return name.bad("no " + type.title() + " \"" + name.value() + "\"; " + others);
  }
}
