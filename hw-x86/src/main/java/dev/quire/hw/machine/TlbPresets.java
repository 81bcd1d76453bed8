// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import dev.quire.api.hw.MachineFactory.Preset;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * TLBs of real cores. Makers publish sizes and ways, but neither replacement (true LRU is assumed)
 * nor paging-structure caches (an assumption each, in the order of what measurements by others
 * found).
 */
final class TlbPresets {
  private static final String INTEL =
      "Intel 64 and IA-32 Architectures Optimization Reference Manual, ";
  private static final String ASSUMED =
      "; assumed: true LRU, and paging-structure caches of 32 PDEs, 4 PDPTEs, 4 PML4Es, 2 PML5Es, for nested"
          + " tables the same and a nested TLB of 16 entries";

  private static final int K4 = 1;
  private static final int M2 = 2;
  private static final int G1 = 4;

  /** Small caches for PDEs, PDPTEs, PML4Es and PML5Es. */
  private static final List<Array> STRUCTURES =
      List.of(new Array(4, 8), new Array(1, 4), new Array(1, 4), new Array(1, 2));

  static final Map<String, Preset> ALL = all();

  private TlbPresets() {}

  private static Map<String, Preset> all() {
    Map<String, Preset> all = new LinkedHashMap<>();
    all.put("sandy-bridge", sandyBridge());
    all.put("haswell", haswell());
    all.put("skylake", skylake());
    all.put("ice-lake", iceLake());
    all.put("zen2", zen2());
    all.put("tiny", tiny());
    return Collections.unmodifiableMap(all);
  }

  private static Preset sandyBridge() {
    return preset(
        "Intel Sandy Bridge",
        INTEL + "chapter on Sandy Bridge, table of TLB parameters" + ASSUMED,
        List.of(tlb(16, 4, K4), tlb(8, 4, M2), tlb(1, 4, G1)),
        List.of(tlb(32, 4, K4), tlb(1, 8, M2)),
        List.of(tlb(128, 4, K4)));
  }

  private static Preset haswell() {
    return preset(
        "Intel Haswell",
        INTEL + "chapter on Haswell, table of TLB parameters" + ASSUMED,
        List.of(tlb(16, 4, K4), tlb(8, 4, M2), tlb(1, 4, G1)),
        List.of(tlb(16, 8, K4), tlb(1, 8, M2)),
        List.of(tlb(128, 8, K4 | M2)));
  }

  private static Preset skylake() {
    return preset(
        "Intel Skylake",
        INTEL + "chapter on Skylake, table of TLB parameters" + ASSUMED,
        List.of(tlb(16, 4, K4), tlb(8, 4, M2), tlb(1, 4, G1)),
        List.of(tlb(16, 8, K4), tlb(1, 8, M2)),
        List.of(tlb(128, 12, K4 | M2), tlb(4, 4, G1)));
  }

  private static Preset iceLake() {
    return preset(
        "Intel Ice Lake",
        INTEL
            + "chapter on Ice Lake client, table of TLB parameters; the store-only DTLB is left out and"
            + " the second level taken as one array for all sizes"
            + ASSUMED,
        List.of(tlb(16, 4, K4), tlb(8, 4, M2), tlb(1, 8, G1)),
        List.of(tlb(16, 8, K4), tlb(1, 16, M2)),
        List.of(tlb(128, 16, K4 | M2 | G1)));
  }

  private static Preset zen2() {
    return preset(
        "AMD Zen 2",
        "AMD Software Optimization Guide for Family 17h Models 30h and Greater, chapter on TLBs; its"
            + " second-level instruction TLB of 512 entries is left out, fetches share the data side's"
            + ASSUMED,
        List.of(tlb(1, 64, K4 | M2 | G1)),
        List.of(tlb(1, 64, K4 | M2 | G1)),
        List.of(tlb(128, 16, K4 | M2)));
  }

  /** No real core: so small that every capacity and conflict matters, for tests and teaching. */
  private static Preset tiny() {
    return preset(
        "none: a teaching size",
        "made up",
        List.of(tlb(2, 2, K4), tlb(1, 2, M2)),
        List.of(tlb(2, 2, K4)),
        List.of(tlb(4, 2, K4 | M2)));
  }

  private static Preset preset(
      String core, String source, List<Tlb> data, List<Tlb> instructions, List<Tlb> second) {
    TlbGeometry geometry = new TlbGeometry(data, instructions, second, STRUCTURES, Replacement.LRU);
    return new Preset(geometry, core, source);
  }

  private static Tlb tlb(int sets, int ways, int sizes) {
    return new Tlb(new Array(sets, ways), sizes);
  }
}
