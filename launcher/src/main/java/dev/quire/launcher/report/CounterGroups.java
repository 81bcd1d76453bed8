// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import static dev.quire.api.hw.HwEvent.*;

import dev.quire.api.hw.HwEvent;
import java.util.List;

/** How the counters are arranged for people; every {@link HwEvent} is in one place. */
final class CounterGroups {
  /** The columns of {@link TlbRow#hits}. */
  static final List<String> SIZES = List.of("4K", "2M", "1G");

  /**
   * One TLB level.
   *
   * @param title what it is called
   * @param hits by page size
   * @param misses of it
   */
  record TlbRow(String title, List<HwEvent> hits, HwEvent misses) {}

  /**
   * Counters that are read together.
   *
   * @param title what they are about
   * @param events in the order to print
   */
  record Group(String title, List<HwEvent> events) {}

  static final List<TlbRow> TLB =
      List.of(
          new TlbRow("L1 data", List.of(L1D_HITS_4K, L1D_HITS_2M, L1D_HITS_1G), L1D_MISSES),
          new TlbRow("L1 instruction", List.of(L1I_HITS_4K, L1I_HITS_2M, L1I_HITS_1G), L1I_MISSES),
          new TlbRow("L2", List.of(L2_HITS_4K, L2_HITS_2M, L2_HITS_1G), L2_MISSES));

  static final List<HwEvent> REFERENCES =
      List.of(REFERENCES_1, REFERENCES_2, REFERENCES_3, REFERENCES_4, REFERENCES_5);

  static final List<Group> GROUPS =
      List.of(
          new Group("accesses", List.of(ACCESSES, UNPAGED_ACCESSES)),
          new Group(
              "walks", List.of(WALKS, WALKS_TO_4K, WALKS_TO_2M, WALKS_TO_1G, RIGHTS_REWALKS)),
          new Group("memory references", REFERENCES),
          new Group(
              "paging-structure caches", List.of(PSC_HITS_2, PSC_HITS_3, PSC_HITS_4, PSC_HITS_5)),
          new Group("A/D assists", List.of(ACCESSED_SET, DIRTY_SET, ASSIST_RETRIES)),
          new Group("faults", List.of(PAGE_FAULTS, GENERAL_PROTECTION)),
          new Group("instructions", List.of(CR3_LOADS, CR3_NO_FLUSH, INVLPG, INVPCID)),
          new Group(
              "invalidations",
              List.of(FLUSHES_ALL, FLUSHES_NON_GLOBAL, FLUSHES_PCID, FLUSHES_ADDRESS)));

  private CounterGroups() {}
}
