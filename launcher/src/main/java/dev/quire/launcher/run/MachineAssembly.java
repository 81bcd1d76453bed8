// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import com.google.inject.Inject;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Workload;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineFactory.Preset;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.launcher.config.MachineSettings;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.config.Settings;
import dev.quire.launcher.config.TlbSettings;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.ServiceType;
import dev.quire.launcher.host.Slot;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Builds the machine of a configuration. */
final class MachineAssembly {
  private final MachineSettings settings;
  private final PluginHost host;
  private final Slot<MachineFactory> machines;
  private final Slot<TranslationCacheFactory> caches;

  @Inject
  MachineAssembly(
      Settings settings,
      PluginHost host,
      Slot<MachineFactory> machines,
      Slot<TranslationCacheFactory> caches) {
    this.settings = settings.machine();
    this.host = host;
    this.machines = machines;
    this.caches = caches;
  }

  /**
   * A machine, and what to call it.
   *
   * @param spec what was asked for
   * @param tlb its TLBs for people
   */
  record Assembled(Machine machine, MachineSpec spec, String tlb) {}

  /** The provider of machines. */
  MachineFactory factory() {
    MachineFactory factory = machines.get();
    if (factory == null) {
      throw new InputException(
          settings.place()
              + ": no bundle that was started provides machines (dev.quire.hw-x86 does)");
    }
    return factory;
  }

  /**
   * Builds it.
   *
   * @param needs of the workload
   * @param owned whether the guest's frames are the machine's, so that the guest's RAM is all there
   *     is
   */
  Assembled assemble(Workload.Needs needs, boolean owned) {
    MachineFactory factory = factory();
    String name = tlbName(factory.presets());
    MachineSpec spec =
        new MachineSpec(
            settings.profile(),
            Math.max(settings.cpus(), needs.vcpus()),
            settings.ram().orElseGet(() -> ram(needs.ramBytes(), owned)),
            geometry(factory.presets()),
            cache(),
            settings.seed(),
            settings.trained());
    try {
      return new Assembled(factory.create(spec), spec, name);
    } catch (IllegalArgumentException e) {
      throw new InputException(settings.place() + ": " + e.getMessage(), e);
    }
  }

  /**
   * A guest beside others lies in frames that the hypervisor gives it, and so do the backend's
   * tables.
   */
  private static List<Ram> ram(long guestBytes, boolean owned) {
    if (owned) {
      return MachineSettings.pc(guestBytes);
    }
    long tables = (guestBytes / 8 & -4096L) + (64L << 20);
    return List.of(new Ram(0, guestBytes + tables));
  }

  private @Nullable TlbGeometry geometry(Map<String, Preset> presets) {
    Optional<TlbSettings> tlb = settings.tlb();
    return tlb.isEmpty() ? null : tlb.get().geometry(preset(tlb.get(), presets).geometry());
  }

  private String tlbName(Map<String, Preset> presets) {
    if (settings.cache().isPresent()) {
      return "translation cache " + settings.cache().get().value();
    }
    if (settings.tlb().isEmpty()) {
      return "none: every access walks";
    }
    TlbSettings tlb = settings.tlb().get();
    return preset(tlb, presets).core() + (tlb.differsFromPreset() ? ", changed" : "");
  }

  private static Preset preset(TlbSettings tlb, Map<String, Preset> presets) {
    Setting<String> name = tlb.preset();
    Preset preset = presets.get(name.value());
    if (preset == null) {
      throw name.bad(
          "no preset \"" + name.value() + "\"; there are: " + String.join(", ", presets.keySet()));
    }
    return preset;
  }

  private @Nullable TranslationCacheFactory cache() {
    if (settings.cache().isEmpty()) {
      return null;
    }
    TranslationCacheFactory cache = caches.get();
    if (cache == null) {
      throw Missing.of(host, ServiceType.CACHE, settings.cache().get());
    }
    return cache;
  }
}
