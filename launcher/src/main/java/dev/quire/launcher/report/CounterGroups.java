// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

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
          new TlbRow(
              "L1 data",
              List.of(HwEvent.L1D_HITS_4K, HwEvent.L1D_HITS_2M, HwEvent.L1D_HITS_1G),
              HwEvent.L1D_MISSES),
          new TlbRow(
              "L1 instruction",
              List.of(HwEvent.L1I_HITS_4K, HwEvent.L1I_HITS_2M, HwEvent.L1I_HITS_1G),
              HwEvent.L1I_MISSES),
          new TlbRow(
              "L2",
              List.of(HwEvent.L2_HITS_4K, HwEvent.L2_HITS_2M, HwEvent.L2_HITS_1G),
              HwEvent.L2_MISSES));

  static final List<HwEvent> REFERENCES =
      List.of(
          HwEvent.REFERENCES_1,
          HwEvent.REFERENCES_2,
          HwEvent.REFERENCES_3,
          HwEvent.REFERENCES_4,
          HwEvent.REFERENCES_5);

  static final List<Group> GROUPS =
      List.of(
          new Group("accesses", List.of(HwEvent.ACCESSES, HwEvent.UNPAGED_ACCESSES)),
          new Group(
              "walks",
              List.of(
                  HwEvent.WALKS,
                  HwEvent.WALKS_TO_4K,
                  HwEvent.WALKS_TO_2M,
                  HwEvent.WALKS_TO_1G,
                  HwEvent.RIGHTS_REWALKS)),
          new Group("memory references", REFERENCES),
          new Group(
              "paging-structure caches",
              List.of(
                  HwEvent.PSC_HITS_2, HwEvent.PSC_HITS_3, HwEvent.PSC_HITS_4, HwEvent.PSC_HITS_5)),
          new Group(
              "A/D assists",
              List.of(HwEvent.ACCESSED_SET, HwEvent.DIRTY_SET, HwEvent.ASSIST_RETRIES)),
          new Group("faults", List.of(HwEvent.PAGE_FAULTS, HwEvent.GENERAL_PROTECTION)),
          new Group(
              "paging instructions",
              List.of(HwEvent.CR3_LOADS, HwEvent.CR3_NO_FLUSH, HwEvent.INVLPG, HwEvent.INVPCID)),
          new Group(
              "invalidations",
              List.of(
                  HwEvent.FLUSHES_ALL,
                  HwEvent.FLUSHES_NON_GLOBAL,
                  HwEvent.FLUSHES_PCID,
                  HwEvent.FLUSHES_ADDRESS)),
          new Group("second dimension", List.of(HwEvent.NESTED_WALKS, HwEvent.NESTED_TLB_HITS)),
          new Group(
              "its structure caches",
              List.of(
                  HwEvent.NESTED_PSC_HITS_2,
                  HwEvent.NESTED_PSC_HITS_3,
                  HwEvent.NESTED_PSC_HITS_4,
                  HwEvent.NESTED_PSC_HITS_5)),
          new Group(
              "its A/D assists",
              List.of(HwEvent.NESTED_ACCESSED_SET, HwEvent.NESTED_DIRTY_SET, HwEvent.PML_LOGGED)),
          new Group(
              "its exits",
              List.of(
                  HwEvent.NESTED_FAULTS, HwEvent.EPT_MISCONFIGURATIONS, HwEvent.PML_FULL_EXITS)),
          new Group(
              "its invalidations", List.of(HwEvent.INVEPT, HwEvent.INVVPID, HwEvent.INVLPGA)));

  private CounterGroups() {}
}
