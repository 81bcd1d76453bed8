// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.Provider;
import dev.quire.launcher.host.ServiceType;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * The toolstack of one run. Backends are looked up each time, since bundles come and go while the
 * workload runs; of several versions the newest is taken.
 */
final class LiveToolstack implements Toolstack {
  private final PluginHost host;
  private final Hypervisor hypervisor;
  private final UnaryOperator<PagingBackend> configured;

  /**
   * A toolstack.
   *
   * @param configured gives a backend the options that the configuration has for it
   */
  LiveToolstack(PluginHost host, Hypervisor hypervisor, UnaryOperator<PagingBackend> configured) {
    this.configured = configured;
    this.host = host;
    this.hypervisor = hypervisor;
  }

  @Override
  public List<String> backends(Domain domain) {
    return host.providers(ServiceType.BACKEND).stream()
        .filter(it -> couldServe(it.service(), domain))
        .map(Provider::name)
        .distinct()
        .toList();
  }

  private static boolean couldServe(PagingBackend backend, Domain domain) {
    boolean pv = backend.features().contains(Feature.PV);
    boolean kind =
        domain.guestInterface() == null
            ? !pv || backend.features().contains(Feature.TRANSLATE)
            : pv;
    boolean fits =
        kind
            && domain.machine().profile().features().containsAll(backend.cpuFeatures())
            && (!backend.features().contains(Feature.IDENTITY) || domain.isIdentity());
    boolean logs = domain.isTranslated() && domain.logDirty().isEnabled();
    return fits && (!logs || backend.features().contains(Feature.LOG_DIRTY));
  }

  @Override
  public void swap(Domain domain, String backend) {
    PagingBackend provider =
        host.providers(ServiceType.BACKEND).stream()
            .filter(it -> it.name().equals(backend))
            .map(Provider::service)
            .findFirst()
            .orElseThrow(
                () -> new BackendUnavailableException("there is no backend \"" + backend + "\""));
    hypervisor.swap(domain, configured.apply(provider));
  }
}
