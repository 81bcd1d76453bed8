// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;
import java.util.List;

/**
 * For each level-2 table that has a shadow, a table that leads to the guest's own last-level tables
 * ({@code hl2}): the guest's entries, with guest frames replaced by machine frames, where the
 * shadow's entry leads to the shadow of such a table. Through it Xen 3.0 sees the entries of a
 * guest's last-level tables at linear addresses; in a guest that has a p2m neither the guest's
 * tables nor their shadows could serve for that. No CR3 ever points to one.
 *
 * <p>Filled as faults use the entries, followed up when a level-2 table comes into sync. They are
 * made only while there is memory to spare, and are the first to go.
 */
final class HighLevelTables {
  private static final int MOST = 2;
  private static final long RIGHTS =
      PageEntry.P | PageEntry.RW | PageEntry.A | PageEntry.D | PageEntry.NX;

  private final PhysicalMemory memory;
  private final TableMemory pool;
  private final ShadowPages pages;
  private final ShadowCounts counts;
  private final boolean kept;

  /** By slot of the level-2 shadow, {@link #MOST} pages each. */
  private long[] frames = new long[64 * MOST];

  /** By machine frame of a last-level table: how many entries lead to it. */
  private final FrameInts entries = new FrameInts();

  private int tables;

  /**
   * There are none yet.
   *
   * @param kept whether there shall ever be any
   */
  HighLevelTables(
      PhysicalMemory memory,
      TableMemory pool,
      ShadowPages pages,
      ShadowCounts counts,
      boolean kept) {
    this.memory = memory;
    this.pool = pool;
    this.pages = pages;
    this.counts = counts;
    this.kept = kept;
    Arrays.fill(frames, PagingPool.NONE);
  }

  private boolean isThere(int slot) {
    return slot * MOST < frames.length && frames[slot * MOST] != PagingPool.NONE;
  }

  private long entry(int slot, int index) {
    @Mfn long frame = Addresses.mfn(frames[slot * MOST + (index >>> 9)]);
    return memory.frameToRead(frame)[index & PhysicalMemory.FRAME_LONGS - 1];
  }

  /** The last-level table that a guest's entry leads to; {@link FrameMapper#NONE} if unknown. */
  @Mfn
  long table(int slot, int index) {
    long entry = isThere(slot) ? entry(slot, index) : 0;
    boolean known = entry != 0;
    counts.add(known ? ShadowEvent.HIGH_LEVEL_HITS : ShadowEvent.HIGH_LEVEL_MISSES);
    return known ? DataFrames.mfn(entry) : Addresses.mfn(FrameMapper.NONE);
  }

  /**
   * A guest's entry leads to a last-level table, or does not.
   *
   * @param slot of the level-2 shadow
   * @param index of the guest's entry
   * @param table where the guest's own table lies, or {@link FrameMapper#NONE}
   */
  void set(int slot, int index, @Mfn long table) {
    boolean empty = table == FrameMapper.NONE;
    if (!kept || !isThere(slot) && (empty || !make(slot))) {
      return;
    }
    long after = empty ? 0 : Addresses.mfnToMaddr(table) | RIGHTS;
    replace(slot, index, after);
  }

  private void replace(int slot, int index, long after) {
    long before = entry(slot, index);
    if (before == after) {
      return;
    }
    counts.add(ShadowEvent.HIGH_LEVEL_UPDATES);
    if (before != 0) {
      entries.add(DataFrames.mfn(before), -1);
    }
    if (after != 0) {
      entries.add(DataFrames.mfn(after), 1);
    }
    @Mfn long frame = Addresses.mfn(frames[slot * MOST + (index >>> 9)]);
    memory.frame(frame)[index & PhysicalMemory.FRAME_LONGS - 1] = after;
  }

  private boolean make(int slot) {
    int count = pagesOf(slot);
    if (!pool.canSpare(count)) {
      return false;
    }
    if (slot * MOST >= frames.length) {
      int length = frames.length;
      frames = Arrays.copyOf(frames, Math.max((slot + 1) * MOST, 2 * length));
      Arrays.fill(frames, length, frames.length, PagingPool.NONE);
    }
    for (int page = 0; page < count; page++) {
      frames[slot * MOST + page] = pool.spare();
    }
    tables++;
    return true;
  }

  private int pagesOf(int slot) {
    return pages.kind(slot).guestEntries() / PhysicalMemory.FRAME_LONGS;
  }

  /** A level-2 shadow ends. */
  void end(int slot) {
    if (!isThere(slot)) {
      return;
    }
    for (int index = 0; index < pages.kind(slot).guestEntries(); index++) {
      replace(slot, index, 0);
    }
    for (int page = 0; page < pagesOf(slot); page++) {
      pool.giveBack(Addresses.mfn(frames[slot * MOST + page]));
      frames[slot * MOST + page] = PagingPool.NONE;
    }
    tables--;
  }

  /** Machine frames in a row are the guest's no longer, or at another place. */
  void forget(@Mfn long first, long count) {
    for (long i = 0; i < count && tables > 0; i++) {
      if (entries.get(Addresses.advance(first, i)) != 0) {
        forget(Addresses.advance(first, i));
      }
    }
  }

  private void forget(@Mfn long mfn) {
    for (int slot = 1; slot < pages.end(); slot++) {
      for (int i = 0; isThere(slot) && i < pages.kind(slot).guestEntries(); i++) {
        if (entry(slot, i) != 0 && DataFrames.mfn(entry(slot, i)) == mfn) {
          replace(slot, i, 0);
        }
      }
    }
  }

  /** Frames are short: there are none any more. */
  void relinquish() {
    for (int slot = 1; slot < pages.end(); slot++) {
      end(slot);
    }
  }

  /** How many frames they take. */
  long frames() {
    long sum = 0;
    for (int slot = 1; slot < pages.end(); slot++) {
      sum += isThere(slot) ? pagesOf(slot) : 0;
    }
    return sum;
  }

  /** Every entry leads where the guest's does, as far as its shadow knows. */
  void audit(ShadowDomain domain, List<String> wrong) {
    for (int slot = 1; slot < pages.end(); slot++) {
      for (int i = 0; isThere(slot) && i < pages.kind(slot).guestEntries(); i++) {
        if (entry(slot, i) != 0 && !holds(domain, slot, i)) {
          wrong.add(
              String.format(
                  "hl2 of 0x%x, entry %d: not where the guest's leads",
                  ShadowHash.frame(pages.key(slot)), i));
        }
      }
    }
  }

  private boolean holds(ShadowDomain domain, int slot, int index) {
    GuestTables guest = domain.guest();
    @Mfn long table = Addresses.mfn(ShadowHash.frame(pages.key(slot)));
    int type = pages.type(slot);
    long own =
        domain.staleTables().isOutOfSync(table)
            ? domain.staleTables().entry(pages.kind(slot), table, index)
            : guest.entry(pages.kind(slot), table, index);
    return guest.isUsable(type, own)
        && !guest.mapsPage(type, own)
        && guest.toMachine(guest.target(type, own)) == DataFrames.mfn(entry(slot, index));
  }
}
