// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.P2mFormat;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.Set;

/**
 * What nested hardware makes of the tables, written from the manuals alone (APM vol. 2, 15.25; SDM
 * vol. 3, 29.3): obvious, slow, and without any of the code that it checks.
 */
final class HardwareView {
  static final int R = 1;
  static final int W = 2;
  static final int X = 4;

  /** The access exits, whatever it is. */
  static final long TRAP = 0;

  private HardwareView() {}

  /**
   * Where a guest frame leads.
   *
   * @param tables receives the tables of the walk
   * @return machine frame and rights, {@code mfn << 3 | rights}, or {@link #TRAP}
   */
  static long of(P2mWorld world, DomainP2m p2m, long gfn, Set<Long> tables) {
    PhysicalMemory memory = world.machine.memory();
    PagingFormat shape = p2m.settings().shape();
    boolean ept = p2m.format() == P2mFormat.EPT;
    long table = p2m.root() >>> 12;
    int rights = R | W | X;
    for (int level = shape.levels(); level > 0; level--) {
      tables.add(table);
      int shift = shape.indexBits() * (level - 1);
      long entry = memory.load(table << 12 | (gfn >>> shift & shape.entries(level) - 1) << 3, 8);
      boolean leaf = level == 1 || (entry & 0x80) != 0;
      rights &= ept ? ept(entry, leaf) : npt(entry);
      if (rights == 0) {
        return TRAP;
      }
      long frame = (entry & PageEntry.FRAME) >>> 12;
      if (leaf) {
        return frame + (gfn & (1L << shift) - 1) << 3 | rights;
      }
      table = frame;
    }
    throw new AssertionError();
  }

  private static int npt(long entry) {
    if ((entry & PageEntry.P) == 0 || (entry & PageEntry.US) == 0) {
      return 0;
    }
    return R | ((entry & PageEntry.RW) != 0 ? W : 0) | ((entry & PageEntry.NX) == 0 ? X : 0);
  }

  private static int ept(long entry, boolean leaf) {
    int rights = (int) entry & 7;
    int type = (int) entry >>> 3 & 7;
    boolean misconfigured =
        rights == W
            || rights == (W | X)
            || leaf && (type == 2 || type == 3 || type == 7)
            || !leaf && (entry & 0xf8) != 0;
    return misconfigured ? 0 : rights;
  }
}
