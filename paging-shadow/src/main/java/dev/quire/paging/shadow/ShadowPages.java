// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The shadows that exist, by a small number each (a <em>slot</em>), in columns: what Xen keeps in
 * the {@code page_info} of a shadow page. Their entries are in the machine's memory, where the
 * hardware finds them; hardware may set D in one at any time, but changes nothing else.
 */
final class ShadowPages {
  /** No shadow. */
  static final int NONE = 0;

  /** The key of a root in use whose table is the guest's no longer. */
  static final long ORPHAN = -1;

  /** No parent entry is known. */
  static final long NO_PARENT = -1;

  private static final VarHandle ENTRY = MethodHandles.arrayElementVarHandle(long[].class);
  private static final int MOST = ShadowKind.MOST_PAGES;
  private static final int PAGE_BITS = 2;
  private static final int INDEX_BITS = 11;

  private final PhysicalMemory memory;
  private final TableMemory tables;

  /** By machine frame of a shadow page: its slot, with the number of the page below. */
  private final FrameInts slots = new FrameInts();

  private int[] types = new int[64];
  private int[] refs = new int[64];
  private long[] keys = new long[64];
  private long[] parents = new long[64];
  private boolean[] pinned = new boolean[64];
  private int[] lows = new int[64];
  private int[] highs = new int[64];
  private long[] mfns = new long[64 * MOST];
  private long[][] frames = new long[64 * MOST][];
  private int[] nextFree = new int[64];
  private int firstFree = NONE;
  private int end = NONE + 1;
  private final int[] existing = new int[ShadowKind.TYPES];

  ShadowPages(PhysicalMemory memory, TableMemory tables) {
    this.memory = memory;
    this.tables = tables;
  }

  /**
   * Makes an empty shadow out of reserved frames.
   *
   * @param key what it is the shadow of, see {@link ShadowHash}
   */
  int make(int type, long key) {
    int slot = firstFree;
    if (slot == NONE) {
      slot = end++;
      ensureCapacity();
    } else {
      firstFree = nextFree[slot];
    }
    types[slot] = type;
    keys[slot] = key;
    refs[slot] = 0;
    parents[slot] = NO_PARENT;
    pinned[slot] = false;
    unused(slot);
    for (int page = 0; page < ShadowKind.of(type).pages(); page++) {
      @Mfn long mfn = tables.take();
      mfns[slot * MOST + page] = mfn;
      frames[slot * MOST + page] = memory.frame(mfn);
      slots.set(mfn, slot << PAGE_BITS | page);
    }
    existing[type]++;
    return slot;
  }

  private void ensureCapacity() {
    if (end > types.length) {
      int length = 2 * types.length;
      types = Arrays.copyOf(types, length);
      refs = Arrays.copyOf(refs, length);
      keys = Arrays.copyOf(keys, length);
      parents = Arrays.copyOf(parents, length);
      pinned = Arrays.copyOf(pinned, length);
      nextFree = Arrays.copyOf(nextFree, length);
      lows = Arrays.copyOf(lows, length);
      highs = Arrays.copyOf(highs, length);
      mfns = Arrays.copyOf(mfns, length * MOST);
      frames = Arrays.copyOf(frames, length * MOST);
    }
  }

  /** Ends a shadow that nothing refers to. */
  void end(int slot) {
    int type = types[slot];
    for (int page = 0; page < ShadowKind.of(type).pages(); page++) {
      @Mfn long mfn = mfn(slot, page);
      slots.set(mfn, 0);
      tables.condemn(mfn);
    }
    existing[type]--;
    keys[slot] = 0;
    types[slot] = -1;
    nextFree[slot] = firstFree;
    firstFree = slot;
  }

  /** One past the highest slot. */
  int end() {
    return end;
  }

  boolean exists(int slot) {
    return slot > NONE && slot < end && types[slot] >= 0 && keys[slot] != 0;
  }

  int type(int slot) {
    return types[slot];
  }

  ShadowKind kind(int slot) {
    return ShadowKind.of(types[slot]);
  }

  long key(int slot) {
    return keys[slot];
  }

  /** From now on it is the shadow of nothing, and ends when the last vCPU has let go of it. */
  void orphan(int slot) {
    keys[slot] = ORPHAN;
  }

  boolean isOrphan(int slot) {
    return keys[slot] == ORPHAN;
  }

  /** How many entries, vCPUs and pins refer to it. */
  int refs(int slot) {
    return refs[slot];
  }

  /** Adds and answers the sum. */
  int addRefs(int slot, int amount) {
    return refs[slot] += amount;
  }

  boolean isPinned(int slot) {
    return pinned[slot];
  }

  void pinned(int slot, boolean value) {
    pinned[slot] = value;
  }

  /** An entry that refers to it, or {@link #NO_PARENT} if none is known: the up-pointer. */
  long parent(int slot) {
    return parents[slot];
  }

  void parent(int slot, long entry) {
    parents[slot] = entry;
  }

  /** A place in a shadow in one word, for up-pointers. */
  static long place(int slot, int index) {
    return (long) slot << INDEX_BITS | index;
  }

  static int placeSlot(long place) {
    return (int) (place >>> INDEX_BITS);
  }

  static int placeIndex(long place) {
    return (int) place & (1 << INDEX_BITS) - 1;
  }

  /** Every entry is empty. */
  void unused(int slot) {
    lows[slot] = Integer.MAX_VALUE;
    highs[slot] = -1;
  }

  /** No entry before this one was used since all were empty. */
  int low(int slot) {
    return lows[slot];
  }

  /** Nor any after this one; -1 if none was. */
  int high(int slot) {
    return highs[slot];
  }

  /** How many shadows of a type exist. */
  int existing(int type) {
    return existing[type];
  }

  @Mfn
  long mfn(int slot, int page) {
    return Addresses.mfn(mfns[slot * MOST + page]);
  }

  /** The shadow that a machine frame is a page of, or {@link #NONE}. */
  int slotOf(@Mfn long mfn) {
    return slots.get(mfn) >>> PAGE_BITS;
  }

  /** How many entries a shadow has, over all its pages. */
  int entries(int slot) {
    return kind(slot).pages() * PhysicalMemory.FRAME_LONGS;
  }

  /** An entry, D aside. */
  long entry(int slot, int index) {
    return (long) ENTRY.getAcquire(frames[slot * MOST + (index >>> 9)], index & 511);
  }

  void entry(int slot, int index, long value) {
    exchange(slot, index, value);
  }

  /** Clears D in an entry; answers whether hardware had set it. */
  boolean clean(int slot, int index) {
    long[] page = frames[slot * MOST + (index >>> 9)];
    return ((long) ENTRY.getAndBitwiseAnd(page, index & 511, ~PageEntry.D) & PageEntry.D) != 0;
  }

  /** Sets an entry; answers what it was, with D as the hardware left it. */
  long exchange(int slot, int index, long value) {
    if (value != 0 && (index < lows[slot] || index > highs[slot])) {
      lows[slot] = Math.min(lows[slot], index);
      highs[slot] = Math.max(highs[slot], index);
    }
    return (long) ENTRY.getAndSet(frames[slot * MOST + (index >>> 9)], index & 511, value);
  }
}
