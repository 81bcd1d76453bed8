// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.launcher.host.Provider;
import dev.quire.launcher.host.ServiceType;
import dev.quire.launcher.run.Launch;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What {@code quire backends} prints: every provider, what it can do, and which jar it is in. */
public final class Catalogue {
  private final PrintWriter out;

  /** Prints to {@code out}. */
  public Catalogue(PrintWriter out) {
    this.out = out;
  }

  /** Prints what was found. */
  public void print(Launch launch) {
    for (ServiceType<?> type : ServiceType.ALL) {
      print(type, launch);
    }
    launch.providers(ServiceType.MACHINE).stream()
        .findFirst()
        .ifPresent(it -> presets(it.service()));
    out.flush();
  }

  private <T> void print(ServiceType<T> type, Launch launch) {
    List<Provider<T>> providers = launch.providers(type);
    out.println(type.title() + (providers.isEmpty() ? ": none" : ""));
    for (Provider<T> it : providers) {
      String name = it.name().isEmpty() ? "" : it.name() + "  ";
      out.printf("  %s%s %s  %s%n", name, it.bundle(), it.version(), it.place());
      if (it.service() instanceof PagingBackend backend) {
        out.println("      " + backend.description());
        out.println("      features: " + features(backend));
      }
    }
    out.println();
  }

  private static String features(PagingBackend backend) {
    return backend.features().stream()
        .sorted()
        .map(it -> it.name().toLowerCase(Locale.ROOT))
        .collect(Collectors.joining(" "));
  }

  private void presets(MachineFactory machines) {
    out.println("TLB presets (machine.tlb.preset)");
    machines
        .presets()
        .forEach(
            (name, it) -> out.printf("  %-14s %s%n%17s%s%n", name, it.core(), "", it.source()));
    out.println();
  }
}
