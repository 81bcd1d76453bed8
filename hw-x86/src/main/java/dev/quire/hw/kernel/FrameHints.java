// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hw.memory.SparseMemory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * In which frame a walk found the table for an address lately. It is the hint that is loaded from,
 * and the comparison with the table wanted only confirms it, so that the host's CPU need not wait
 * for one entry before it begins with the next; and {@link Walker#touch} can look ahead. Changes
 * nothing in the model. A record, since the compiler trusts the fields of records that are
 * constants.
 *
 * @param frames by index, homes of frames
 * @param tables by index, addresses of the tables that lie there; -1 for none
 * @param lent by address, tables for training that lie in no memory
 * @param memory where tables are found otherwise
 */
@SuppressWarnings("ArrayRecordComponent") // shared on purpose; never compared
public record FrameHints(
    long[][] frames, long[] tables, Map<Long, long[]> lent, SparseMemory memory) {
  private static final int LENGTH = 1 << 13;
  private static final int SOME = 64;

  /** No hints. */
  public FrameHints(SparseMemory memory) {
    this(new long[LENGTH][], new long[LENGTH], new HashMap<>(), memory);
    forget();
  }

  /** Forgets all hints, and what was lent. */
  public void forget() {
    Arrays.fill(frames, new long[PhysicalMemory.FRAME_LONGS]);
    Arrays.fill(tables, -1);
    lent.clear();
  }

  /**
   * Forgets one hint in 64.
   *
   * @param which any number; as many in a row forget all
   */
  public void forgetSome(int which) {
    for (int index = which & SOME - 1; index < LENGTH; index += SOME) {
      tables[index] = -1;
    }
  }

  /**
   * Where the hint for an address is: half of them are for tables of level 1, a quarter for level
   * 2.
   */
  public static int index(PagingFormat format, long access, int level) {
    int some = LENGTH >>> level; // added and not or-ed: the compiler knows the bounds of a sum
    return some + ((int) (access >>> format.shift(level + 1)) & some - 1);
  }

  /** The frame of a table. */
  public long[] frame(int index, long table) {
    return tables[index] == table ? frames[index] : find(index, table);
  }

  private long[] find(int index, long table) {
    @Mfn long mfn = Addresses.mfn(table >>> PagingFormat.PAGE_SHIFT);
    if (memory.isHome(mfn)) {
      return found(index, table, memory.frame(mfn)); // another CPU may have made the home just now
    }
    long[] known = lent.isEmpty() ? null : lent.get(table);
    return known != null ? found(index, table, known) : memory.frameToRead(mfn);
  }

  private long[] found(int index, long table, long[] frame) {
    frames[index] = frame;
    tables[index] = table;
    return frame;
  }

  /**
   * Loads what walks for {@link Walker#AHEAD} operations will read last; see {@link Walker#touch}.
   */
  public long touch(
      PagingFormat format, @Nullable NestedDimension nested, long[] operations, int from) {
    long all = 0;
    for (int i = from; i < from + Walker.AHEAD; i++) {
      long entry = peek(format, operations[i]);
      all += nested == null ? entry : nested.peek(entry & format.frameMask());
    }
    return all;
  }

  /** The entry of level 1 that a walk for an address would read if the hint is good. */
  public long peek(PagingFormat format, long access) {
    long[] frame = frames[index(format, access, 1)];
    return EntryStep.load(frame, format.index(access, 1), format.entryBytes() == 4);
  }

  /**
   * Takes it that a table lies in a frame, whatever memory says; for training only.
   *
   * @param access an address that the table translates
   * @param table its address. Unit: bytes
   */
  public void lend(PagingFormat format, int level, long access, long table, long[] frame) {
    lent.put(table, frame);
    found(index(format, access, level), table, frame);
  }
}
