// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import dev.quire.api.domain.HypervisorFactory;
import dev.quire.api.guest.WorkloadFactory;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.host.ApiManifest;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.ServiceType;
import dev.quire.launcher.host.Slot;

/**
 * Wires one launch. What bundles provide is never injected, since services come and go and an
 * injector stays; what is injected is the slot that follows them.
 */
final class LauncherModule extends AbstractModule {
  private final Home home;
  private final Settings settings;

  LauncherModule(Home home, Settings settings) {
    this.home = home;
    this.settings = settings;
  }

  @Override
  protected void configure() {
    binder().requireExplicitBindings();
    binder().disableCircularProxies();
    bind(Home.class).toInstance(home);
    bind(Settings.class).toInstance(settings);
    bind(ApiManifest.class).toInstance(ApiManifest.read());
    bind(MachineAssembly.class).in(Singleton.class);
    bind(Launch.class).in(Singleton.class);
  }

  @Provides
  @Singleton
  static PluginHost host(ApiManifest api) {
    return new PluginHost(api);
  }

  @Provides
  @Singleton
  static Slot<MachineFactory> machines(PluginHost host) {
    return host.slot(ServiceType.MACHINE, "");
  }

  @Provides
  @Singleton
  static Slot<HypervisorFactory> hypervisors(PluginHost host) {
    return host.slot(ServiceType.HYPERVISOR, "");
  }

  @Provides
  @Singleton
  static BackendChoice backend(PluginHost host, Settings settings) {
    return new BackendChoice(host, settings.paging(), settings.machine().profile());
  }

  @Provides
  @Singleton
  static Slot<WorkloadFactory> workloads(PluginHost host, Settings settings) {
    return host.slot(ServiceType.WORKLOAD, settings.workload().kind().value());
  }

  /** Empty for ever if the configuration names no cache: no provider may be called nothing. */
  @Provides
  @Singleton
  static Slot<TranslationCacheFactory> caches(PluginHost host, Settings settings) {
    return host.slot(ServiceType.CACHE, settings.machine().cache().map(Setting::value).orElse(""));
  }
}
