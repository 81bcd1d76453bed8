// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The section {@code paging}.
 *
 * @param backend which paging backend
 * @param fallback which one serves where the machine lacks what that needs; absent to stop then
 * @param options what {@code backend} is told, as text by key
 */
public record PagingSettings(
    Setting<String> backend,
    Optional<Setting<String>> fallback,
    Setting<Map<String, String>> options) {
  /** Xen's option of that name: nested or extended paging, whichever the machine has. */
  private static final String HAP = "hap";

  private static final Map<Vendor, String> HAP_OF =
      Map.of(Vendor.AMD, "hap-npt", Vendor.INTEL, "hap-ept");

  /**
   * The same before the machine's vendor is known.
   *
   * @param backend as it was written
   */
  record Wanted(
      Setting<String> backend,
      Optional<Setting<String>> fallback,
      Setting<Map<String, String>> options) {
    /** Whose machine a configuration means that names none. */
    Vendor vendor() {
      return backend.value().equals(HAP_OF.get(Vendor.AMD)) ? Vendor.AMD : Vendor.INTEL;
    }

    PagingSettings on(Vendor vendor) {
      boolean hap = backend.value().equals(HAP);
      String name = hap ? HAP_OF.getOrDefault(vendor, HAP) : backend.value();
      return new PagingSettings(new Setting<>(name, backend.place()), fallback, options);
    }
  }

  private static Setting<Map<String, String>> options(Section section) {
    Map<String, String> options = new TreeMap<>();
    section.others().forEach((key, value) -> options.put(key, String.valueOf(value.unwrapped())));
    return new Setting<>(options, section.fileAndLine().orElse(section.place()));
  }

  static Wanted read(Section section) {
    Setting<String> backend = section.named("backend");
    Setting<String> fallback = section.named("fallback");
    Wanted wanted =
        new Wanted(
            backend,
            fallback.value().equals(Settings.NONE) ? Optional.empty() : Optional.of(fallback),
            options(section.section("options")));
    section.end();
    return wanted;
  }
}
