// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.run;

import dev.quire.api.guest.InputException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.launcher.config.PagingSettings;
import dev.quire.launcher.config.Setting;
import dev.quire.launcher.host.PluginHost;
import dev.quire.launcher.host.ServiceType;
import dev.quire.launcher.host.Slot;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The backend that the configuration names, or the one to fall back to where the machine lacks what
 * that needs.
 */
final class BackendChoice {
  private final PluginHost host;
  private final PagingSettings settings;
  private final CpuProfile profile;
  private final Slot<PagingBackend> wanted;
  private final Optional<Slot<PagingBackend>> fallback;

  BackendChoice(PluginHost host, PagingSettings settings, CpuProfile profile) {
    this.host = host;
    this.settings = settings;
    this.profile = profile;
    wanted = host.slot(ServiceType.BACKEND, settings.backend().value());
    fallback = settings.fallback().map(it -> host.slot(ServiceType.BACKEND, it.value()));
  }

  /** Where the configuration names the backend: for what only the backend itself can refuse. */
  Setting<String> named() {
    return settings.backend();
  }

  /**
   * The backend to use.
   *
   * @throws InputException if nobody provides it, or the machine lacks what it needs and there is
   *     nothing to fall back to
   */
  PagingBackend get() {
    PagingBackend first = provided(wanted, settings.backend());
    Set<Feature> lacking = lacking(first);
    if (lacking.isEmpty()) {
      return first;
    }
    String why = first.name() + " needs a CPU with " + names(lacking);
    if (fallback.isEmpty()) {
      throw settings
          .backend()
          .bad(why + ", which machine.features lacks; paging.fallback could name another backend");
    }
    Setting<String> second = settings.fallback().orElseThrow();
    PagingBackend instead = provided(fallback.get(), second);
    if (!lacking(instead).isEmpty()) {
      throw second.bad(why + ", and " + instead.name() + " one with " + names(lacking(instead)));
    }
    return instead;
  }

  private Set<Feature> lacking(PagingBackend backend) {
    Set<Feature> lacking = EnumSet.noneOf(Feature.class);
    lacking.addAll(backend.cpuFeatures());
    lacking.removeAll(profile.features());
    return lacking;
  }

  /**
   * A backend with the options that the configuration has for it.
   *
   * @param provided any
   * @throws InputException if it does not take them
   */
  PagingBackend configured(PagingBackend provided) {
    if (!provided.name().equals(settings.backend().value())) {
      return provided;
    }
    try {
      return provided.with(settings.options().value());
    } catch (IllegalArgumentException e) {
      throw settings.options().bad(provided.name() + ": " + e.getMessage(), e);
    }
  }

  private static String names(Set<Feature> features) {
    return features.stream()
        .map(it -> it.name().toLowerCase(Locale.ROOT).replace('_', '-'))
        .collect(Collectors.joining(", "));
  }

  private PagingBackend provided(Slot<PagingBackend> slot, Setting<String> name) {
    PagingBackend backend = slot.get();
    if (backend == null) {
      throw Missing.of(host, ServiceType.BACKEND, name);
    }
    return backend;
  }
}
