// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.NestedPaging;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What nested tables say of a guest-physical address, whoever asks: the entries from the root down,
 * each with the rights that are left there (SDM vol. 3, 29.3.2; APM vol. 2, 15.25.5).
 */
public final class NestedLookup {
  /**
   * A present entry.
   *
   * @param target where the table or the page begins
   * @param page whether it maps a page
   * @param userExecutable fetches from user-mode linear addresses
   * @param dirty D of the entry, true where the format has none
   */
  public record Step(
      int level,
      long target,
      boolean page,
      boolean readable,
      boolean writable,
      boolean executable,
      boolean userExecutable,
      boolean dirty) {

    /** Where an address in the page lies. */
    public long address(long guestPhysical) {
      return target + (guestPhysical & (1L << shift()) - 1);
    }

    /** log2 of what the entry covers. */
    public int shift() {
      return shiftOf(level);
    }
  }

  private NestedLookup() {}

  /**
   * The steps to an address; the last maps a page, unless something is not present.
   *
   * @param paging what the CPU runs with, but for the root
   */
  public static List<Step> of(NestedPaging paging, long root, Memory machine, long guestPhysical) {
    List<Step> steps = new ArrayList<>();
    Step above = new Step(paging.levels + 1, root, false, true, true, true, true, false);
    while (above != null && !above.page()) {
      above = below(above, paging, machine, guestPhysical);
      if (above != null) {
        steps.add(above);
      }
    }
    return steps;
  }

  private static @Nullable Step below(
      Step above, NestedPaging paging, Memory machine, long guestPhysical) {
    boolean ept = paging.format == NestedPaging.Format.EPT;
    int level = above.level() - 1;
    long entry = machine.read(above.target() + 8 * (guestPhysical >>> shiftOf(level) & 511), 8);
    boolean present = ept ? (entry & 7) != 0 : bit(entry, 0);
    if (!present && !(ept && paging.modeBasedExecute && bit(entry, 10))) {
      return null;
    }
    boolean page = level == 1 || bit(entry, 7);
    boolean executes = ept ? bit(entry, 2) : !bit(entry, 63);
    boolean userExecutes = ept && paging.modeBasedExecute ? bit(entry, 10) : executes;
    return new Step(
        level,
        entry & EntryRules.bits(51, page ? shiftOf(level) : 12),
        page,
        above.readable() && bit(entry, ept ? 0 : 2),
        above.writable() && bit(entry, 1),
        above.executable() && executes,
        above.userExecutable() && userExecutes,
        ept ? !paging.accessedDirty || bit(entry, 9) : bit(entry, 6));
  }

  private static int shiftOf(int level) {
    return 12 + 9 * (level - 1);
  }

  private static boolean bit(long word, int bit) {
    return (word & 1L << bit) != 0;
  }
}
