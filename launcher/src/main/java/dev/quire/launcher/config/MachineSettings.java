// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.config;

import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The section {@code machine}.
 *
 * @param profile every CPU of it
 * @param cpus how many there are at least; a workload may need more
 * @param ram ranges of RAM; absent for what the workload asks for
 * @param tlb TLBs; absent for a machine that caches nothing
 * @param cache a third party's cache in the place of the machine's own; absent for none
 * @param seed of everything that is random
 * @param trained whether the machine's kernels are trained first
 * @param place where the section begins in a file, for what only the machine itself can refuse
 */
public record MachineSettings(
    CpuProfile profile,
    int cpus,
    Optional<List<Ram>> ram,
    Optional<TlbSettings> tlb,
    Optional<Setting<String>> cache,
    long seed,
    boolean trained,
    String place) {

  private static final int MOST_CPUS = 256;

  /** What stands for "as is needed". */
  private static final String AUTO = "auto";

  /**
   * Reads the section.
   *
   * @param usual whose machine it is if the section does not say
   */
  static MachineSettings read(Section section, Vendor usual) {
    int width = section.number("maxphyaddr", 32, 52);
    Vendor vendor =
        section.text("vendor").equals(AUTO) ? usual : section.choice("vendor", Vendor.class);
    Set<Feature> features = features(section, vendor);
    Setting<String> cache = section.named("cache");
    TlbSettings tlb = TlbSettings.read(section.section("tlb"));
    MachineSettings settings =
        new MachineSettings(
            new CpuProfile(vendor, width, features),
            section.number("cpus", 1, MOST_CPUS),
            ram(section),
            section.flag("caching") ? Optional.of(tlb) : Optional.empty(),
            cache.value().equals(Settings.NONE) ? Optional.empty() : Optional.of(cache),
            section.number("seed"),
            section.flag("trained"),
            section.fileAndLine().orElse("machine"));
    section.end();
    return settings;
  }

  /**
   * Names in order; {@code all} adds every feature of the vendor's CPUs, {@code both-vendors} those
   * of both, a name with a minus takes one away.
   */
  private static Set<Feature> features(Section section, Vendor vendor) {
    Set<Feature> features = EnumSet.noneOf(Feature.class);
    for (Setting<String> entry : section.texts("features")) {
      String name = entry.value();
      if (name.equals("all")) {
        features.addAll(CpuProfile.allOf(vendor));
      } else if (name.equals("both-vendors")) {
        features.addAll(CpuProfile.allOfBoth());
      } else if (name.startsWith("-")) {
        features.remove(section.choice("features", name.substring(1), Feature.class));
      } else {
        features.add(section.choice("features", name, Feature.class));
      }
    }
    for (Feature feature : features) {
      if (!feature.isOf(vendor) && !features.contains(Feature.BOTH_VENDORS)) {
        throw section.bad("features", "no CPU of this vendor has " + feature);
      }
    }
    return features;
  }

  private static Optional<List<Ram>> ram(Section section) {
    if (!section.isList("ram")) {
      boolean auto = section.text("ram").equals(AUTO);
      return auto
          ? Optional.empty()
          : Optional.of(Ram.pc(frames(section, "ram", section.size("ram"))));
    }
    List<Ram> ranges = new ArrayList<>();
    for (Section range : section.sections("ram")) {
      long start = range.size("start");
      long size = frames(range, "size", range.size("size"));
      if ((start & 4095) != 0) {
        throw range.bad("start", "not a multiple of 4K");
      }
      ranges.add(new Ram(start, size));
      range.end();
    }
    return Optional.of(ranges);
  }

  private static long frames(Section section, String key, long size) {
    if (size <= 0 || (size & 4095) != 0) {
      throw section.bad(key, "not a multiple of 4K above zero");
    }
    return size;
  }
}
