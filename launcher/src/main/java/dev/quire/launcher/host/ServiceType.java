// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.host;

import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.WorkloadFactory;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.api.paging.PagingBackend;
import java.util.List;
import java.util.function.Function;

/**
 * A type of service that bundles may provide, and how the launcher calls it.
 *
 * @param type the interface
 * @param title what people call it
 * @param name how a provider says its name, by which a configuration chooses it; empty where there
 *     is nothing to choose
 */
public record ServiceType<T>(Class<T> type, String title, Function<T, String> name) {
  /** Machines. */
  public static final ServiceType<MachineFactory> MACHINE =
      new ServiceType<>(MachineFactory.class, "machine", any -> "");

  /** Hypervisors. */
  public static final ServiceType<HypervisorFactory> HYPERVISOR =
      new ServiceType<>(HypervisorFactory.class, "hypervisor", any -> "");

  /** Paging backends. */
  public static final ServiceType<PagingBackend> BACKEND =
      new ServiceType<>(PagingBackend.class, "paging backend", PagingBackend::name);

  /** Workloads. */
  public static final ServiceType<WorkloadFactory> WORKLOAD =
      new ServiceType<>(WorkloadFactory.class, "workload", WorkloadFactory::name);

  /** Translation caches in the place of the machine's own. */
  public static final ServiceType<TranslationCacheFactory> CACHE =
      new ServiceType<>(
          TranslationCacheFactory.class, "translation cache", TranslationCacheFactory::name);

  /** Interfaces between kinds of guests and the hypervisor. */
  public static final ServiceType<GuestInterface> GUEST_INTERFACE =
      new ServiceType<>(GuestInterface.class, "guest interface", GuestInterface::name);

  /** Every type there is. */
  public static final List<ServiceType<?>> ALL =
      List.of(MACHINE, HYPERVISOR, BACKEND, WORKLOAD, CACHE, GUEST_INTERFACE);
}
