// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import dev.quire.api.guest.WorkloadMonitor;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.function.Function;

/**
 * A line on the terminal that says how far a run is, and goes away with it. Nothing at all where
 * standard error is not a terminal; Java cannot tell, so the start script does.
 */
public final class Progress implements WorkloadMonitor, AutoCloseable {
  /** The system property that the start script sets to {@code true}. */
  static final String TERMINAL = "quire.terminal";

  private static final String ERASE = "\r\033[K";

  private final PrintWriter err;
  private final String what;
  private final boolean shown = Boolean.getBoolean(TERMINAL);
  private final long begin = System.nanoTime();
  private boolean dirty;

  /**
   * Begins with nothing shown.
   *
   * @param what runs
   */
  private Progress(PrintWriter err, String what) {
    this.err = err;
    this.what = what;
  }

  /**
   * Does something long with such a line.
   *
   * @param what runs
   */
  public static <T> T watch(PrintWriter err, String what, Function<WorkloadMonitor, T> work) {
    try (Progress progress = new Progress(err, what)) {
      return work.apply(progress);
    }
  }

  @Override
  public boolean progress(long done, long total) {
    if (shown) {
      double seconds = (System.nanoTime() - begin) / 1e9;
      String part =
          total == 0
              ? String.format(Locale.ROOT, "%,d", done)
              : String.format(Locale.ROOT, "%3d %%", 100 * done / total);
      err.printf(Locale.ROOT, "%s%s  %s  %.0f s", ERASE, what, part, seconds);
      err.flush();
      dirty = true;
    }
    return true;
  }

  /** Takes the line away. */
  @Override
  public void close() {
    if (dirty) {
      err.print(ERASE);
      err.flush();
    }
  }
}
