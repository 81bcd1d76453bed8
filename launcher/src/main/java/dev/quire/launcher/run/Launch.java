// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import com.google.inject.Guice;
import com.google.inject.Inject;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadFactory;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.launcher.config.DomainSettings;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.Provider;
import dev.quire.launcher.host.ServiceType;
import dev.quire.launcher.host.Slot;
import dev.quire.launcher.torture.HvmTorture;
import dev.quire.launcher.torture.PvTorture;
import dev.quire.launcher.xen.XenRecords;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The framework with the bundles of a configuration, ready to run workloads. Each run builds a new
 * machine, so that no run can see what another did.
 */
public final class Launch implements AutoCloseable {
  private final Settings settings;
  private final PluginHost host;
  private final MachineAssembly assembly;
  private final Slot<HypervisorFactory> hypervisors;
  private final BackendChoice backends;
  private final Slot<WorkloadFactory> workloads;

  @Inject
  Launch(
      Settings settings,
      PluginHost host,
      MachineAssembly assembly,
      Slot<HypervisorFactory> hypervisors,
      BackendChoice backends,
      Slot<WorkloadFactory> workloads) {
    this.settings = settings;
    this.host = host;
    this.assembly = assembly;
    this.hypervisors = hypervisors;
    this.backends = backends;
    this.workloads = workloads;
  }

  /**
   * Starts the framework, and what is fit to start; the rest is in {@link #problems}.
   *
   * @throws InputException if the configuration names a bundle that is not there
   */
  public static Launch open(Home home, Settings settings) {
    List<java.nio.file.Path> jars = home.jars(settings.bundles());
    Launch launch =
        Guice.createInjector(new LauncherModule(home, settings)).getInstance(Launch.class);
    launch.host.launch(jars);
    return launch;
  }

  /**
   * The same, if nothing is wrong with any jar.
   *
   * @throws InputException also if a bundle or plug-in does not start
   */
  public static Launch openAll(Home home, Settings settings) {
    Launch launch = open(home, settings);
    if (!launch.problems().isEmpty()) {
      launch.close();
      throw new InputException(String.join(System.lineSeparator(), launch.problems()));
    }
    return launch;
  }

  /** What was wrong with bundles and plug-ins, a sentence each. */
  public List<String> problems() {
    return host.problems();
  }

  /** All providers of a type. */
  public <T> List<Provider<T>> providers(ServiceType<T> type) {
    return host.providers(type);
  }

  /** The provider of machines, for who wants a machine without a domain. */
  public MachineFactory machines() {
    return assembly.factory();
  }

  /**
   * The provider of hypervisors, for who makes domains of its own.
   *
   * @throws InputException if no bundle that was started provides one
   */
  public HypervisorFactory hypervisors() {
    HypervisorFactory hypervisor = hypervisors.get();
    if (hypervisor == null) {
      throw new InputException("no bundle that was started provides a hypervisor");
    }
    return hypervisor;
  }

  /**
   * A backend by its name.
   *
   * @throws InputException if no bundle that was started provides it
   */
  public PagingBackend backend(String name) {
    List<Provider<PagingBackend>> all = host.providers(ServiceType.BACKEND);
    return all.stream()
        .filter(it -> it.name().equals(name))
        .map(Provider::service)
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "no paging backend \""
                        + name
                        + "\"; there are: "
                        + all.stream().map(Provider::name).distinct().toList()));
  }

  /**
   * What checks records of a real Xen.
   *
   * @throws InputException if no bundle that was started provides PV guests
   */
  public XenRecords xenRecords() {
    return new XenRecords(machines(), hypervisors(), pv(ServiceType.GUEST_INTERFACE));
  }

  /**
   * Two PV domains against each other.
   *
   * @param named what they are under: {@code pv}, {@code shadow:rmap=on}
   * @param swapEvery after so many steps domains beside them go to shadow paging, or back; 0 for
   *     never
   * @throws InputException if no bundle that was started provides PV guests
   */
  public PvTorture pvTorture(String named, long seed, int swapEvery) {
    GuestInterface guest = pv(ServiceType.GUEST_INTERFACE);
    PvTorture torture = new PvTorture(machines(), hypervisors(), guest, withOptions(named), seed);
    return swapEvery == 0 ? torture : torture.swapping(backend("shadow"), swapEvery);
  }

  /**
   * The same programs in guests under several backends.
   *
   * @param named backends by name, each with its options behind it: {@code shadow:oos=off}
   * @throws InputException if no bundle that was started provides one, or it has no such option
   */
  public HvmTorture hvmTorture(List<String> named) {
    Map<String, PagingBackend> all = new LinkedHashMap<>();
    named.forEach(name -> all.put(name, withOptions(name)));
    return new HvmTorture(machines(), hypervisors(), all);
  }

  private PagingBackend withOptions(String named) {
    String[] parts = named.split(":", -1);
    Map<String, String> options = new LinkedHashMap<>();
    for (int i = 1; i < parts.length; i++) {
      String[] option = parts[i].split("=", 2);
      options.put(option[0], option.length == 2 ? option[1] : "");
    }
    try {
      return backend(parts[0]).with(options);
    } catch (IllegalArgumentException e) {
      throw new InputException("--paging " + named + ": " + e.getMessage(), e);
    }
  }

  private <T> T pv(ServiceType<T> type) {
    T provider = named(type, "pv");
    if (provider == null) {
      throw new InputException(
          "no bundle that was started provides the " + type.title() + " \"pv\"");
    }
    return provider;
  }

  private <T> @Nullable T named(ServiceType<T> type, String name) {
    return host.providers(type).stream()
        .filter(it -> it.name().equals(name))
        .map(Provider::service)
        .findFirst()
        .orElse(null);
  }

  /**
   * Runs the configured workload to its end or limit.
   *
   * @param options what it is told
   * @param monitor watches it
   * @throws InputException if the configuration names what is not there, or the input is bad
   */
  public Outcome run(Map<String, String> options, WorkloadMonitor monitor) {
    PagingBackend provided = backends.get();
    PagingBackend backend = backends.configured(provided);
    WorkloadFactory factory = require(workloads, ServiceType.WORKLOAD, settings.workload().kind());
    HypervisorFactory hypervisor = hypervisors.get();
    if (hypervisor == null) {
      throw backends.named().bad("no bundle that was started provides a hypervisor");
    }
    try (Workload workload = open(factory, options)) {
      boolean identity = backend.features().contains(PagingBackend.Feature.IDENTITY);
      DomainSpec spec = spec(workload.needs(), identity);
      MachineAssembly.Assembled machine =
          assembly.assemble(spec, !identity || settings.domain().placement().isPresent());
      Hypervisor running = hypervisor.create(machine.machine());
      Domain domain = domain(running, backend, spec);
      long begin = System.nanoTime();
      WorkloadReport report = workload.run(domain, toolstack(running), monitor);
      long nanos = System.nanoTime() - begin;
      return new Outcome(
          machine.spec(),
          machine.tlb(),
          origin(provided),
          settings.workload().kind().value(),
          options,
          report,
          domain.crashReason(),
          counters(machine.machine()),
          DomainFigures.of(domain),
          nanos);
    }
  }

  private LiveToolstack toolstack(Hypervisor hypervisor) {
    return new LiveToolstack(host, hypervisor, backends::configured);
  }

  private DomainSpec spec(Workload.Needs needs, boolean identity) {
    return settings
        .domain()
        .spec(needs.vcpus(), needs.memory(), identity, settings.machine().seed());
  }

  private Workload open(WorkloadFactory factory, Map<String, String> options) {
    try {
      return factory.open(options);
    } catch (InputException e) {
      throw settings.workload().mistake(e);
    }
  }

  private Domain domain(Hypervisor hypervisor, PagingBackend backend, DomainSpec spec) {
    try {
      GuestInterface guest = guestInterface(backend);
      return guest == null
          ? hypervisor.createDomain(backend, spec)
          : hypervisor.createDomain(backend, spec, guest, GuestPolicy.PLAIN);
    } catch (BackendUnavailableException e) {
      throw backends.named().bad(String.valueOf(e.getMessage()), e);
    } catch (IllegalArgumentException e) {
      throw new InputException(settings.machine().place() + ": " + e.getMessage(), e);
    }
  }

  /** What kind of guest: as the configuration says, or the only one that the backend can serve. */
  private @Nullable GuestInterface guestInterface(PagingBackend backend) {
    boolean pvOnly =
        backend.features().contains(PagingBackend.Feature.PV)
            && !backend.features().contains(PagingBackend.Feature.TRANSLATE);
    String only = pvOnly ? "pv" : DomainSettings.HVM;
    Setting<String> name =
        settings.domain().guest().orElseGet(() -> new Setting<>(only, backends.named().place()));
    if (name.value().equals(DomainSettings.HVM)) {
      return null;
    }
    GuestInterface guest = named(ServiceType.GUEST_INTERFACE, name.value());
    if (guest == null) {
      throw Missing.of(host, ServiceType.GUEST_INTERFACE, name);
    }
    return guest;
  }

  private <T> T require(Slot<T> slot, ServiceType<T> type, Setting<String> name) {
    T provider = slot.get();
    if (provider == null) {
      throw Missing.of(host, type, name);
    }
    return provider;
  }

  private Provider<?> origin(PagingBackend backend) {
    return host.providers(ServiceType.BACKEND).stream()
        .filter(it -> it.service() == backend)
        .findFirst()
        .orElseThrow();
  }

  private static List<Counters> counters(Machine machine) {
    List<Counters> counters = new ArrayList<>();
    for (int cpu = 0; cpu < machine.cpus(); cpu++) {
      counters.add(machine.cpu(cpu).counters());
    }
    return counters;
  }

  @Override
  public void close() {
    host.close();
  }
}
