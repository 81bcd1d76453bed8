// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.domain.Domain;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.guest.Workload;
import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.api.guest.WorkloadReport;
import dev.quire.guest.disturb.DisturbPlan;
import dev.quire.guest.disturb.Disturber;
import dev.quire.guest.trace.TraceReader;

/** One recording, to be replayed once. */
final class ReplayWorkload implements Workload {
  private static final long MONITOR_NS = 200_000_000;

  /** Steps between two looks at the clock. */
  private static final int CLOCK_STEPS = 1 << 12;

  private final ReplayOptions options;
  private final TraceReader reader;

  ReplayWorkload(ReplayOptions options, TraceReader reader) {
    this.options = options;
    this.reader = reader;
  }

  @Override
  public Needs needs() {
    return new Needs(reader.header().ramBytes(), 1);
  }

  @Override
  public WorkloadReport run(Domain domain, Toolstack toolstack, WorkloadMonitor monitor) {
    DisturbPlan plan = options.disturb();
    Replay replay =
        new Replay(
            reader,
            domain,
            options.checkAd(),
            plan.interrupts() ? log -> new Disturber(plan, domain, toolstack, log) : null);
    if (options.explains()) {
      long record = Explanation.record(options);
      run(replay, record, monitor);
      return new Explanation(options, reader, replay).report(record);
    }
    run(replay, options.until(), monitor);
    replay.finish();
    return ReplayReport.of(reader, replay);
  }

  /**
   * Goes on until {@code limit} records have been read, or it is over, or the monitor says stop.
   */
  private void run(Replay replay, long limit, WorkloadMonitor monitor) {
    long total = reader.bytes();
    long lastLook = System.nanoTime();
    for (int steps = 1; !replay.isOver() && reader.record() + 1 < limit; steps++) {
      replay.step(limit);
      if ((steps & CLOCK_STEPS - 1) == 0 && System.nanoTime() - lastLook > MONITOR_NS) {
        lastLook = System.nanoTime();
        if (!monitor.progress(reader.bytesRead(), total)) {
          return;
        }
      }
    }
  }

  @Override
  public void close() {
    reader.close();
  }
}
