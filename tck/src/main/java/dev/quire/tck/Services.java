// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.PagingBackend;
import java.util.List;
import java.util.ServiceLoader;

/** What the class path provides: found as the launcher finds it, by service type. */
final class Services {
  private Services() {}

  static MachineFactory machines() {
    return one(MachineFactory.class, "hw-x86");
  }

  static HypervisorFactory hypervisors() {
    return one(HypervisorFactory.class, "hypervisor");
  }

  private static <T> T one(Class<T> type, String from) {
    return ServiceLoader.load(type)
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "no " + type.getName() + " on the class path: add " + from));
  }

  static List<PagingBackend> backends() {
    return ServiceLoader.load(PagingBackend.class).stream()
        .map(ServiceLoader.Provider::get)
        .toList();
  }

  static PagingBackend backend(String name) {
    return backends().stream()
        .filter(backend -> backend.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no backend " + name + " on the class path"));
  }
}
