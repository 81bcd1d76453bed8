// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import com.google.inject.Inject;
import dev.quire.api.address.Addresses;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.guest.InputException;
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
import java.util.ArrayList;
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
   * @param guest the domain that will run on it
   * @param tables whether there shall be memory for tables that are not the guest's
   */
  Assembled assemble(DomainSpec guest, boolean tables) {
    MachineFactory factory = factory();
    String name = tlbName(factory.presets());
    MachineSpec spec =
        new MachineSpec(
            settings.profile(),
            Math.max(settings.cpus(), guest.vcpus()),
            settings.ram().orElseGet(() -> ram(guest, tables)),
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

  /** The guest's memory, and that for tables behind it. */
  private static List<Ram> ram(DomainSpec guest, boolean tables) {
    long bytes = guest.frames() << 12;
    long more = Math.max((bytes / 8 & -4096L) + (64L << 20), guest.pool() << 12);
    if (guest.placement() != Placement.IDENTITY) {
      long block =
          Addresses.PAGE_SIZE << guest.largestOrder(); // frames are given out in such blocks
      long end = guest.memory().get(guest.memory().size() - 1).end();
      return List.of(new Ram(0, (end + block - 1 & -block) + more));
    }
    List<Ram> ram = new ArrayList<>(guest.memory());
    if (tables) {
      ram.add(new Ram(ram.get(ram.size() - 1).end(), more));
    }
    return ram;
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
