// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.launcher.host.Provider;
import dev.quire.launcher.run.DomainFigures;
import dev.quire.launcher.run.Outcome;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.osgi.framework.Version;

/** Made-up outcomes of runs. */
final class Outcomes {
  private Outcomes() {}

  static Outcome clean() {
    return of(new WorkloadReport(0, List.of(), facts(), true), null);
  }

  static Outcome of(WorkloadReport report, String crash) {
    Counters one = new Counters();
    one.values()[HwEvent.ACCESSES.ordinal()] = 1_000_000;
    one.values()[HwEvent.L1D_HITS_4K.ordinal()] = 600_000;
    one.values()[HwEvent.L1D_HITS_2M.ordinal()] = 300_000;
    one.values()[HwEvent.L1D_MISSES.ordinal()] = 100_000;
    one.values()[HwEvent.L2_HITS_4K.ordinal()] = 75_000;
    one.values()[HwEvent.L2_MISSES.ordinal()] = 25_000;
    one.values()[HwEvent.WALKS.ordinal()] = 25_000;
    one.values()[HwEvent.REFERENCES_1.ordinal()] = 20_000;
    one.values()[HwEvent.REFERENCES_2.ordinal()] = 25_000;
    one.values()[HwEvent.PAGE_FAULTS.ordinal()] = 181;
    Counters other = new Counters();
    other.values()[HwEvent.INVLPG.ordinal()] = 7;
    return new Outcome(
        machine(),
        "Some Core",
        new Provider<>("", "native", "dev.quire.hypervisor", Version.valueOf("0.1.0"), "x.jar"),
        "replay",
        new TreeMap<>(Map.of("trace", "a.zst", "until", "5")),
        report,
        crash,
        List.of(one, other),
        domain(),
        2_500_000_000L);
  }

  private static DomainFigures domain() {
    Map<ExitReason, Long> exits = new EnumMap<>(ExitReason.class);
    exits.put(ExitReason.PAGE_FAULT, 0L);
    exits.put(ExitReason.NESTED_FAULT, 1234L);
    Map<String, Map<String, Long>> backends = new LinkedHashMap<>();
    backends.put("hap-ept", Map.of("recalculations", 99L));
    backends.put("native", Map.of("shadows", 12L));
    return new DomainFigures(
        DomainSpec.hvm(1, 16),
        exits,
        backends,
        new DomainFigures.Tables(P2mFormat.EPT, 4, 325, 327, 1536));
  }

  static Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("records", 1_234_567L);
    facts.put("share", 0.25);
    facts.put("  guest", "Linux");
    return facts;
  }

  private static MachineSpec machine() {
    TlbGeometry tlb =
        new TlbGeometry(
            List.of(new Tlb(new Array(16, 4), 0b001), new Tlb(new Array(8, 4), 0b110)),
            List.of(new Tlb(new Array(16, 8), 0b111)),
            List.of(new Tlb(new Array(128, 12), 0b011)),
            List.of(new Array(1, 8), new Array(1, 4), Array.NONE, Array.NONE),
            Replacement.LRU);
    CpuProfile profile = new CpuProfile(Vendor.INTEL, 40, Set.of(Feature.PAE, Feature.PAGE_1G));
    List<Ram> ram = List.of(new Ram(0, 0xa0000), new Ram(0x100000, 0x27f00000));
    return new MachineSpec(profile, 2, ram, tlb, null, 7, true);
  }
}
