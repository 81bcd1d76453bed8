// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.util.ArrayList;
import java.util.List;

/** The steps of one walk, for people: what {@code explain} and reported differences show. */
public final class WalkTrace {
  /**
   * One entry that was read.
   *
   * @param level of the entry, 1 is the last
   * @param address where it lies in the address space of the tables, -1 for a PDPTE register. Unit:
   *     bytes
   * @param entry its value before the walk changed it
   * @param linear the address that was walked for
   * @param format of the tables
   */
  public record Step(int level, long address, long entry, long linear, PagingFormat format) {
    @Override
    public String toString() {
      String where = address < 0 ? "PDPTE register" : "entry at 0x" + Long.toHexString(address);
      return String.format(
          "level %d  index %3d  %s = 0x%016x  frame 0x%x  %s",
          level,
          format.index(linear, level),
          where,
          entry,
          (entry & format.frameMask()) >>> PagingFormat.PAGE_SHIFT,
          PageEntry.describe(entry));
    }
  }

  private final List<Step> steps = new ArrayList<>();

  /** Forgets the steps, for another walk. */
  public void clear() {
    steps.clear();
  }

  /** Notes a step; for the walker. */
  public void step(int level, long address, long entry, long linear, PagingFormat format) {
    steps.add(new Step(level, address, entry, linear, format));
  }

  /** The entries in the order in which they were read. */
  public List<Step> steps() {
    return List.copyOf(steps);
  }

  /**
   * The walk, line by line, with what ended it.
   *
   * @param result what the walk answered
   */
  public List<String> explain(long result) {
    List<String> lines = new ArrayList<>();
    for (Step step : steps) {
      lines.add(step.toString());
    }
    lines.add(describe(result));
    return lines;
  }

  private static String describe(long result) {
    if (!Translation.isFault(result)) {
      return String.format(
          "maps frame 0x%x by a level-%d entry: %s %s %s%s",
          Translation.frame(result) >>> PagingFormat.PAGE_SHIFT,
          Translation.level(result),
          (result & Translation.WRITABLE) != 0 ? "writable" : "read-only",
          (result & Translation.USER) != 0 ? "user" : "supervisor",
          (result & Translation.EXECUTABLE) != 0 ? "executable" : "no-execute",
          (result & Translation.GLOBAL) != 0 ? " global" : "");
    }
    FaultRule rule = Translation.rule(result);
    int level = Translation.faultLevel(result);
    return "refused by "
        + rule
        + (level == 0 ? "" : " at level " + level)
        + " ("
        + rule.source()
        + "), error code "
        + ErrorCode.describe(Translation.errorCode(result));
  }
}
