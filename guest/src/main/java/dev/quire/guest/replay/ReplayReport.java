// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.guest.WorkloadReport;
import dev.quire.guest.disturb.Disturber;
import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceReader;
import java.util.LinkedHashMap;
import java.util.Map;

/** What there is to tell of a replay. */
final class ReplayReport {
  private static final String MISSES =
      "the accesses are the misses of the recorder's TLB, not a program's";
  private static final String PROGRAM = "the accesses are all of the guest's";

  private ReplayReport() {}

  static WorkloadReport of(TraceReader reader, Replay replay) {
    boolean window = reader.header().window();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("recording", window ? "window: " + PROGRAM : "base: " + MISSES);
    facts.put("records", reader.record() + 1);
    facts.put("instructions", reader.instructions() - reader.header().startInstruction());
    records(facts, replay.counts());
    stores(facts, replay);
    facts.put("PDPTE loads compared", replay.registers().comparedPdptes());
    EntryCheck entries = replay.entries();
    if (entries != null) {
      facts.put("table entries compared", entries.compared());
      facts.put("  A or D set early by a store", entries.early());
      facts.put("  A or D spared by a live TLB entry", entries.spared());
    }
    Disturber disturber = replay.disturber();
    if (disturber != null) {
      facts.putAll(disturber.facts());
    }
    DifferenceLog log = replay.log();
    return new WorkloadReport(log.count(), log.explanations(), facts, window);
  }

  private static void records(Map<String, Object> facts, ReplayCounts counts) {
    facts.put("accesses recorded", counts.of(Tag.ACCESS));
    facts.put("fills recorded", counts.of(Tag.FILL));
    facts.put("faults recorded", counts.of(Tag.FAULT));
    facts.put("pages announced", counts.of(Tag.PTPAGE));
    facts.put("pages retired", counts.of(Tag.RETIRE));
    facts.put("interrupts", counts.of(Tag.IRQ));
    facts.put("halts", counts.of(Tag.HLT));
  }

  private static void stores(Map<String, Object> facts, Replay replay) {
    ReplayCounts counts = replay.counts();
    StoreRouter router = replay.router();
    facts.put("page-table stores", counts.cpuStores());
    facts.put("  by a page seen before", router.throughRecent());
    facts.put("  by searching the tables", router.throughSearch());
    facts.put("  that nothing maps", router.unmapped());
    facts.put("  apart from an access", counts.strayStores());
    facts.put("stores by devices", counts.deviceStores());
    facts.put("stores by the walker", counts.walkerStores());
  }
}
