// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Tlb;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** TLBs for people: sizes of pages, entries, sets and ways. */
final class GeometryText {
  private static final List<String> STRUCTURES = List.of("PDE", "PDPTE", "PML4E", "PML5E");

  private GeometryText() {}

  /** One line for each level and one for the paging-structure caches; absent ones are left out. */
  static List<String> lines(TlbGeometry tlb) {
    List<String> lines = new ArrayList<>();
    level("L1 data", tlb.data(), lines);
    level("L1 instruction", tlb.instructions(), lines);
    level("L2", tlb.second(), lines);
    String structures = structures(tlb.structures());
    if (!structures.isEmpty()) {
      lines.add("paging structures: " + structures);
    }
    return lines;
  }

  private static void level(String title, List<Tlb> tlbs, List<String> lines) {
    if (!tlbs.isEmpty()) {
      lines.add(
          title
              + ": "
              + tlbs.stream()
                  .map(it -> sizes(it) + " " + shape(it.array()))
                  .collect(Collectors.joining(", ")));
    }
  }

  private static String sizes(Tlb tlb) {
    List<String> sizes = new ArrayList<>();
    for (int size = 0; size < TlbGeometry.SIZES; size++) {
      if (tlb.holds(size)) {
        sizes.add(CounterGroups.SIZES.get(size));
      }
    }
    return String.join("+", sizes);
  }

  private static String shape(Array array) {
    return array.entries() + " (" + array.sets() + " x " + array.ways() + ")";
  }

  private static String structures(List<Array> arrays) {
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < arrays.size(); i++) {
      if (arrays.get(i).ways() > 0) {
        parts.add(STRUCTURES.get(i) + " " + shape(arrays.get(i)));
      }
    }
    return String.join(", ", parts);
  }
}
