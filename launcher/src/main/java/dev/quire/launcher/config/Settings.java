// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import dev.quire.api.guest.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A whole configuration. Everything that can be checked without the bundles has been checked; names
 * of what bundles provide are {@link Setting}s, which know where they were written.
 *
 * @param machine what to build
 * @param domain how the guest lies in it
 * @param paging which paging backend
 * @param bundles symbolic names of the bundles to start; absent for every bundle of the
 *     distribution
 * @param workload what the guest does
 * @param report what to tell
 */
public record Settings(
    MachineSettings machine,
    DomainSettings domain,
    PagingSettings paging,
    Optional<List<Setting<String>>> bundles,
    WorkloadSettings workload,
    ReportSettings report) {

  /** What stands for "nothing" where a name is wanted. */
  static final String NONE = "none";

  private static final String ALL = "all";

  /** Options of workloads that are files: relative ones count from where they were written. */
  private static final Set<String> FILES = Set.of("trace", "file");

  /**
   * What the guest does.
   *
   * @param kind which workload
   * @param options what it is told, as text by key; files as they can be opened from here
   * @param place where the section stands in a file; empty if it stands in none
   */
  public record WorkloadSettings(
      Setting<String> kind, Map<String, String> options, Optional<String> place) {
    /** A mistake in the options that the workload found. */
    public InputException mistake(InputException found) {
      return place.isEmpty()
          ? found
          : new InputException(place.get() + ": " + found.getMessage(), found);
    }
  }

  /**
   * What to tell.
   *
   * @param json where to write the report as JSON, or null
   * @param differences how many differences are shown with their explanation
   */
  public record ReportSettings(@Nullable Path json, int differences) {}

  /**
   * Reads a configuration.
   *
   * @param file null for the defaults
   * @param overrides what the command line says; later ones win, all of them win over the file
   * @throws InputException naming file, line and key
   */
  public static Settings read(@Nullable Path file, List<Assignment> overrides) {
    Section root = Section.root(ConfigText.read(file, overrides));
    Section machineSection = root.section("machine");
    DomainSettings domain = DomainSettings.read(root.section("domain"));
    PagingSettings.Wanted wanted = PagingSettings.read(root.section("paging"));
    MachineSettings machine = MachineSettings.read(machineSection, wanted.vendor());
    Settings settings =
        new Settings(
            machine,
            domain,
            wanted.on(machine.profile().vendor()),
            bundles(root),
            workload(root.section("workload")),
            report(root.section("report")));
    root.end();
    return settings;
  }

  private static Optional<List<Setting<String>>> bundles(Section root) {
    if (root.isList("bundles")) {
      return Optional.of(root.texts("bundles"));
    }
    if (!root.text("bundles").equals(ALL)) {
      throw root.bad("bundles", "\"all\" or a list of bundles is wanted");
    }
    return Optional.empty();
  }

  private static WorkloadSettings workload(Section section) {
    Setting<String> kind = section.named("kind");
    Optional<String> place = section.fileAndLine();
    Map<String, String> options = new TreeMap<>();
    section.others().forEach((key, value) -> options.put(key, option(key, value)));
    return new WorkloadSettings(kind, options, place);
  }

  private static String option(String key, ConfigValue value) {
    if (value.valueType() == ConfigValueType.LIST) {
      throw new InputException(
          Section.placeOf(value.origin()) + ": workload." + key + ": a plain value is wanted");
    }
    String text = String.valueOf(value.unwrapped());
    return FILES.contains(key) ? fromOrigin(value.origin(), text).toString() : text;
  }

  private static ReportSettings report(Section section) {
    Setting<String> json = section.named("json");
    Path file = json.value().equals(NONE) ? null : section.file("json");
    ReportSettings settings =
        new ReportSettings(file, section.number("differences", 0, Integer.MAX_VALUE));
    section.end();
    return settings;
  }

  /** A file name that was written in a configuration file is relative to that file. */
  static Path fromOrigin(ConfigOrigin origin, String file) {
    return origin.filename() == null
        ? Path.of(file)
        : Path.of(origin.filename()).resolveSibling(file).normalize();
  }
}
