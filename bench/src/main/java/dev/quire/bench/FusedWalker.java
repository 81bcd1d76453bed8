// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/** The walker of {@link FusedKernel}: four levels, caches of 4x8, 2x4 and 1x4 entries. */
final class FusedWalker {
  static final int RIGHTS =
      Rights.WRITE_PROTECT | Rights.SMEP | Rights.SMAP | Rights.USER_KEYS | Rights.REPORT_FETCH;

  private static final VarHandle QUADWORD = MethodHandles.arrayElementVarHandle(long[].class);
  private static final long LANES = FusedSecondLevel.LANES;
  private static final long TOPS = FusedSecondLevel.TOPS;

  private static final long[] counters = FusedKernel.counters;
  private static final int WALKS = HwEvent.WALKS.ordinal();
  private static final int WALKS_TO = HwEvent.WALKS_TO_4K.ordinal();
  private static final int REFERENCES = HwEvent.REFERENCES_1.ordinal() - 1;
  private static final int PSC_HITS = HwEvent.PSC_HITS_2.ordinal() - 2;
  private static final int ACCESSED_SET = HwEvent.ACCESSED_SET.ordinal();
  private static final int DIRTY_SET = HwEvent.DIRTY_SET.ordinal();

  private static final long EXECUTABLE = 1L;
  private static final long CARRIED = PageEntry.RW | PageEntry.US | EXECUTABLE | PageEntry.A;
  private static final long NEEDS_ACCESSED = 1L << 62;
  private static final long RETRY = NEEDS_ACCESSED | 1L << 61;
  private static final long LEAVE = Long.MIN_VALUE;
  private static final long PLAIN = PageEntry.P | PageEntry.A;
  private static final long BEYOND = PageEntry.FRAME & -1L << 40;

  /** Slots of the three caches: key and value; and their meta words, order and partial keys. */
  private static final long[] pdes = new long[4 * 16];

  private static final long[] pdeMeta = new long[4 * 4];
  private static final long[] pdptes = new long[2 * 8];
  private static final long[] pdpteMeta = new long[2 * 2];
  private static final long[] pml4es = new long[8];
  private static final long[] pml4eMeta = new long[2];

  private static final int HINTS = 1 << 11;
  private static final long[][] hintFrames = new long[HINTS][];
  private static final long[] hintTables = new long[HINTS];

  static final FusedMemory MEMORY = new FusedMemory();

  /** Physical address of the root table. */
  static long root;

  static long touched;

  private static int readFrom;

  private FusedWalker() {}

  static void flush() {
    Arrays.fill(pdes, 0);
    Arrays.fill(pdptes, 0);
    Arrays.fill(pml4es, 0);
    for (int set = 0; set < 4; set++) {
      pdeMeta[4 * set] = 0x76543210L;
    }
    pdpteMeta[0] = 0x3210;
    pdpteMeta[2] = 0x3210;
    pml4eMeta[0] = 0x3210;
    Arrays.fill(hintFrames, new long[512]);
    Arrays.fill(hintTables, -1);
  }

  static long walk(long access) {
    long linear = access << 7 >> 7;
    counters[WALKS]++;
    readFrom = 1;
    if (linear << 16 >> 16 != linear) {
      return Translation.fault(FaultRule.NOT_CANONICAL, 0, 0);
    }
    long above = table1(access);
    long result = above < 0 || isPage(above) ? above : lastStep(above, access);
    if (result > 0 && (result & NEEDS_ACCESSED) == 0 && FusedKernel.suffices(result, access)) {
      counters[WALKS_TO + Translation.size(result)]++;
      return result;
    }
    return fromTheRoot(access);
  }

  private static long fromTheRoot(long access) {
    int known = readFrom;
    long result;
    do {
      result = descend(root | CARRIED, 4, access, known);
    } while (result == RETRY);
    if (result >= 0) {
      counters[WALKS_TO + Translation.size(result)]++;
    }
    return result;
  }

  private static long descend(long above, int level, long access, int known) {
    long[] frame = MEMORY.frameToRead((above & PageEntry.FRAME) >>> 12);
    int at = index(access, level);
    long entry = frame[at];
    counters[REFERENCES + level] += level < known ? 1 : 0;
    long below = step(above, entry, level, access);
    if (below < 0) {
      return below;
    }
    boolean page = isPage(below);
    long result = page ? checked(below, access) : descend(below, level - 1, access, known);
    if (result < 0 || result == RETRY) {
      return result;
    }
    boolean dirty = page && (access & Access.WRITE) != 0;
    long missing = (PageEntry.A | (dirty ? PageEntry.D : 0)) & ~entry;
    if (missing != 0) {
      if (!QUADWORD.compareAndSet(frame, at, entry, entry | missing)) {
        return RETRY;
      }
      counters[ACCESSED_SET] += missing >>> 5 & 1;
      counters[DIRTY_SET] += missing >>> 6;
    }
    return result & ~NEEDS_ACCESSED | (dirty ? Translation.DIRTY : 0);
  }

  private static long checked(long translation, long access) {
    int pkru = StreamMachine.PKRU;
    return Rights.permit(translation, access, RIGHTS, pkru, 0)
        ? translation
        : Translation.fault(
            Rights.refusal(translation, access, RIGHTS, pkru, 0),
            Translation.level(translation),
            Rights.errorCode(translation, access, RIGHTS, pkru, 0));
  }

  private static long step(long above, long entry, int level, long access) {
    int code = Rights.errorCode(access, RIGHTS);
    if ((entry & PageEntry.P) == 0) {
      return Translation.fault(FaultRule.NOT_PRESENT, level, code);
    }
    boolean page = level == 1 || level < 4 && (entry & PageEntry.PS) != 0;
    long belowFrame = (1L << 12 + 9 * (level - 1)) - (1L << 13);
    long ofPage = page && level > 1 ? belowFrame : level == 4 ? PageEntry.PS : 0;
    if ((entry & (BEYOND | ofPage)) != 0) {
      return Translation.fault(FaultRule.RESERVED_BIT, level, ErrorCode.P | ErrorCode.RSVD | code);
    }
    long carried = carried(above, entry);
    if (!page) {
      return entry & PageEntry.FRAME | carried;
    }
    long frame = entry & PageEntry.FRAME & -1L << 12 + 9 * (level - 1);
    long size = (long) (level - 1) << Translation.SIZE_SHIFT;
    return frame | size | attributes(entry, carried) | (~carried & PageEntry.A) << 62 - 5;
  }

  private static long carried(long above, long entry) {
    return (entry & (CARRIED & ~EXECUTABLE) | ~entry >>> 63) & above;
  }

  private static long attributes(long entry, long carried) {
    long rights = (carried & (PageEntry.RW | PageEntry.US)) >>> 1 | (carried & EXECUTABLE) << 2;
    long key = entry >>> PageEntry.KEY_SHIFT - Translation.KEY_SHIFT & 15 << Translation.KEY_SHIFT;
    long others = (entry & PageEntry.D) >>> 2 | (entry & PageEntry.G) >>> 5;
    return Translation.PRESENT | rights | key | others;
  }

  private static boolean isPage(long below) {
    return (below & Translation.PRESENT) != 0;
  }

  private static int index(long linear, int level) {
    return (int) (linear >>> 12 + 9 * (level - 1)) & 511;
  }

  // ---- as low as the caches allow ----

  private static long lastStep(long above, long access) {
    long entry = entry(above, access, 1);
    if (((entry ^ PLAIN) & (PLAIN | BEYOND)) != 0) {
      return step(above, entry, 1, access);
    }
    return entry & PageEntry.FRAME | attributes(entry, carried(above, entry));
  }

  private static long entry(long above, long access, int level) {
    counters[REFERENCES + level]++;
    int some = HINTS >>> level;
    int hint = some | (int) (access >>> 12 + 9 * level) & some - 1;
    long table = above & PageEntry.FRAME;
    long[] frame = hintTables[hint] == table ? hintFrames[hint] : find(hint, table);
    return frame[index(access, level)];
  }

  private static long[] find(int hint, long table) {
    long[] frame = MEMORY.frameToRead(table >>> 12);
    hintFrames[hint] = frame;
    hintTables[hint] = table;
    return frame;
  }

  static void touch(long[] operations, int from) {
    long all = 0;
    for (int i = from; i < from + 8; i++) {
      int some = HINTS >>> 1;
      int hint = some | (int) (operations[i] >>> 21) & some - 1;
      all += hintFrames[hint][index(operations[i], 1)];
    }
    touched = all;
  }

  private static long prefix(long access, int shift) {
    return (access & Operation.ADDRESS) >>> shift | FusedKernel.space << 47;
  }

  private static long table1(long access) {
    long key = prefix(access, 21);
    int set = (int) key & 3;
    int m = set * 4;
    long probe = (key >>> 2 & 0xffff) * LANES;
    long a = pdeMeta[m + 1] ^ probe;
    long b = pdeMeta[m + 2] ^ probe;
    long ways = (a - LANES & ~a & TOPS) >>> 3 | (b - LANES & ~b & TOPS) >>> 2;
    for (; ways != 0; ways &= ways - 1) {
      int bit = Long.numberOfTrailingZeros(ways);
      int way = (bit & 3) << 2 | bit >>> 4;
      if (pdes[set * 16 + 2 * way] == key) {
        used(pdeMeta, m, way);
        return entering(2, pdes[set * 16 + 2 * way + 1]);
      }
    }
    long below = through(table2(access), access, 2);
    if (below > 0 && !isPage(below)) {
      put(pdeMeta, m, 8, pdes, set * 16, key, key >>> 2, below);
    }
    return below;
  }

  private static long table2(long access) {
    long key = prefix(access, 30);
    int set = (int) key & 1;
    int slot = find4(pdpteMeta, set * 2, pdptes, set * 8, key, key >>> 1);
    if (slot >= 0) {
      return entering(3, pdptes[slot + 1]);
    }
    long below = through(table3(access), access, 3);
    if (below > 0 && !isPage(below)) {
      put(pdpteMeta, set * 2, 4, pdptes, set * 8, key, key >>> 1, below);
    }
    return below;
  }

  private static long table3(long access) {
    long key = prefix(access, 39);
    int slot = find4(pml4eMeta, 0, pml4es, 0, key, key);
    if (slot >= 0) {
      return entering(4, pml4es[slot + 1]);
    }
    long below = through(root | CARRIED, access, 4);
    if (below > 0 && !isPage(below)) {
      put(pml4eMeta, 0, 4, pml4es, 0, key, key, below);
    }
    return below;
  }

  private static long through(long above, long access, int level) {
    if (above < 0 || isPage(above)) {
      return above;
    }
    long entry = entry(above, access, level);
    if (((entry ^ PLAIN) & (PLAIN | PageEntry.PS | BEYOND)) != 0) {
      long other = step(above, entry, level, access);
      readFrom = Math.max(readFrom, level);
      return isPage(other) ? other : LEAVE;
    }
    return entry & PageEntry.FRAME | carried(above, entry);
  }

  private static long entering(int level, long value) {
    counters[PSC_HITS + level]++;
    readFrom = 5;
    return value;
  }

  /** Drops what leads to an address. */
  static void dropPath(long access) {
    long pde = prefix(access, 21);
    long pdpte = prefix(access, 30);
    drop(pdeMeta, ((int) pde & 3) * 4, 8, pdes, ((int) pde & 3) * 16, pde);
    drop(pdpteMeta, ((int) pdpte & 1) * 2, 4, pdptes, ((int) pdpte & 1) * 8, pdpte);
    drop(pml4eMeta, 0, 4, pml4es, 0, prefix(access, 39));
  }

  private static void drop(long[] meta, int m, int ways, long[] slots, int first, long key) {
    for (int way = 0; way < ways; way++) {
      if (slots[first + 2 * way] == key) {
        slots[first + 2 * way] = 0;
        meta[m] = FusedSecondLevel.moveToBack(meta[m], way, ways);
      }
    }
  }

  private static int find4(long[] meta, int m, long[] slots, int first, long key, long tag) {
    long diff = meta[m + 1] ^ (tag & 0xffff) * LANES;
    for (long ways = diff - LANES & ~diff & TOPS; ways != 0; ways &= ways - 1) {
      int way = Long.numberOfTrailingZeros(ways) >>> 4;
      if (slots[first + 2 * way] == key) {
        used(meta, m, way);
        return first + 2 * way;
      }
    }
    return -1;
  }

  private static void used(long[] meta, int m, int way) {
    if ((meta[m] & 15) != way) {
      meta[m] = FusedSecondLevel.moveToFront(meta[m], way);
    }
  }

  private static void put(
      long[] meta, int m, int ways, long[] slots, int first, long key, long tag, long value) {
    long order = meta[m];
    int way = (int) (order >>> 4 * (ways - 1)) & 15;
    meta[m] = order << 4 & -1L >>> 64 - 4 * ways | way;
    slots[first + 2 * way] = key;
    slots[first + 2 * way + 1] = value;
    int word = m + 1 + (way >>> 2);
    int shift = (way & 3) << 4;
    meta[word] = meta[word] & ~(0xffffL << shift) | (tag & 0xffff) << shift;
  }
}
