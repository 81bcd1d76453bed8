// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;

/**
 * The machine's kernel written by hand for one configuration: the geometry of {@link
 * StreamMachine}, four levels, its registers. Same model, same checks, same outputs and the same
 * ways of being fast, but no templates, no interfaces and no objects; what the machine's kernel is
 * slower than this is what being configurable and pluggable costs.
 */
final class FusedKernel {
  static final long[] counters = new long[HwEvent.values().length];

  private static final long PCID = 0x3fL;
  private static final long VPID = 0x3fL << 6;
  private static final long SPACE = VPID | PCID;
  private static final long NEVER = 1L << 57;
  private static final long SPECIAL = Operation.DATA | Operation.WIDE | NEVER;
  private static final long PAGE = Operation.ADDRESS & ~0xfffL;
  private static final long PRESENT = PAGE | SPACE | Access.FETCH;
  private static final long MACHINE = PageEntry.FRAME | 0xfff;

  private static final int WORDS = 8;
  private static final int KEY = 0;
  private static final int CARE = 1;
  private static final int TIME = 2;
  private static final int DELTA = 3;
  private static final int LEAF = 4;
  private static final int LANE = 5;
  private static final int TAG = 6;
  private static final int WAYS = 4;
  private static final int TICK = 64;
  private static final int FETCHES = 64 * WORDS;
  private static final int LENGTH = 2 * FETCHES;
  private static final int AT = LENGTH - WORDS;

  private static final int LANE_BITS = 12;
  private static final int MOST_HITS = (1 << LANE_BITS) - 1;
  private static final int AHEAD = 8;

  private static final int HITS = HwEvent.L1D_HITS_4K.ordinal();
  private static final int SECOND_HITS = HwEvent.L2_HITS_4K.ordinal();
  private static final int D_MISSES = HwEvent.L1D_MISSES.ordinal();
  private static final int I_MISSES = HwEvent.L1I_MISSES.ordinal();
  private static final int SECOND_MISSES = HwEvent.L2_MISSES.ordinal();
  private static final int REWALKS = HwEvent.RIGHTS_REWALKS.ordinal();
  private static final int ACCESSES = HwEvent.ACCESSES.ordinal();

  private static final long[] entries = new long[LENGTH];
  private static final char[] filter = new char[1 << 12];
  private static final long[] careByRights = new long[256];
  private static final long[] careByKey = new long[32];

  /** The fault that ended the last {@link #run}, or 0. */
  static long fault;

  /** The current address space. */
  static long space = 1 << 6 | 1;

  private static long clock;
  private static long lanes;
  private static int served;

  static {
    for (int i = 0; i < careByRights.length; i++) {
      boolean fetch = i >= 128;
      long pcid = (i & Translation.GLOBAL) != 0 ? 0 : PCID;
      long special = Operation.DATA | Operation.WIDE;
      careByRights[i] = Access.FETCH | special | VPID | PAGE | pcid | careOfRights(i, fetch);
    }
    for (int key = 0; key < 16; key++) {
      int denied = StreamMachine.PKRU >>> 2 * key & 3;
      careByKey[16 | key] = (denied & 1) != 0 ? NEVER : denied != 0 ? Access.WRITE : 0;
    }
  }

  private FusedKernel() {}

  private static long careOfRights(int rights, boolean fetch) {
    boolean user = (rights & Translation.USER) != 0;
    if (fetch) {
      return Access.WRITE | Access.USER;
    }
    long writable = Translation.WRITABLE | Translation.DIRTY;
    return (user ? Access.SMAP_EXEMPT : Access.USER)
        | ((rights & writable) == writable ? 0 : Access.WRITE);
  }

  /** Drops everything; also before first use. */
  static void flush() {
    for (int at = 0; at < LENGTH; at += WORDS) {
      clear(at);
    }
    FusedWalker.flush();
    FusedSecondLevel.flush();
  }

  private static void clear(int at) {
    entries[at + KEY] = 0;
    entries[at + CARE] = -1;
    entries[at + TAG] = -1;
    entries[at + LEAF] = 0;
    entries[at + TIME] = 0;
  }

  // ---- the loop ----

  static int run(long[] operations, int from, int to, long[] reached) {
    fault = 0;
    int stop = probes(operations, from, to, reached);
    counters[ACCESSES] += stop - from;
    empty();
    return stop;
  }

  private static int probes(long[] operations, int from, int to, long[] reached) {
    int i = from;
    while (i < to) {
      i = serve(operations, i, to, reached);
      while (i < to) {
        long operation = operations[i];
        if ((operation & SPECIAL) != 0 || Operation.isControl(operation)) {
          return i;
        }
        if ((i & AHEAD - 1) == 0 && i + 2 * AHEAD <= to) {
          FusedWalker.touch(operations, i + AHEAD);
        }
        long address = one(operation);
        if (address < 0) {
          if (Translation.rule(address) != FaultRule.NOT_CANONICAL) {
            dropFaulting(operation);
          }
          fault = address;
          return i;
        }
        reached[i] = address;
        if (++i < to && expects(operations[i])) {
          break;
        }
      }
    }
    return i;
  }

  private static int serve(long[] operations, int from, int to, long[] reached) {
    long[] e = entries;
    char[] f = filter;
    long now = space;
    if (served == MOST_HITS) {
      empty();
    }
    int end = Math.min(to, from + MOST_HITS - served);
    long time = clock;
    long counts = lanes;
    int i = from;
    for (; i < end; i++) {
      long operation = operations[i];
      int at = f[page(operation)] & AT;
      if ((((operation & ~0xfffL | now) ^ e[at + KEY]) & e[at + CARE]) != 0) {
        break;
      }
      e[at + TIME] = time += TICK;
      counts += e[at + LANE];
      reached[i] = operation + e[at + DELTA] & MACHINE;
    }
    clock = time;
    lanes = counts;
    served += i - from;
    return i;
  }

  private static void empty() {
    long others = 0;
    for (int lane = 0; lane < 5; lane++) {
      long n = lanes >>> lane * LANE_BITS & MOST_HITS;
      counters[HITS + 1 + lane] += n;
      others += n;
    }
    counters[HITS] += served - others;
    lanes = 0;
    served = 0;
  }

  private static int page(long operation) {
    return (int) (operation << 40 >>> 52);
  }

  private static boolean expects(long operation) {
    int at = filter[page(operation)] & AT;
    return (((operation & ~0xfffL | space) ^ entries[at + KEY]) & entries[at + CARE]) == 0;
  }

  // ---- an access that the filter did not settle ----

  private static long one(long access) {
    long probe = access & (Access.MASK | PAGE) | space;
    long known = lookup(access, probe);
    if (known != 0) {
      if (suffices(known, access)) {
        return addressOf(known, access);
      }
      drop(probe);
      counters[REWALKS]++;
    }
    long found = FusedWalker.walk(access);
    if (found < 0) {
      return found;
    }
    FusedSecondLevel.put(probe, found);
    fill(access, probe, found);
    return addressOf(found, access);
  }

  /** A page fault invalidates what is cached for its address. */
  private static void dropFaulting(long access) {
    long data = access & PAGE | space;
    drop(data);
    drop(data | Access.FETCH);
    FusedWalker.dropPath(access);
  }

  private static void drop(long probe) {
    int at = find(probe);
    if (at >= 0) {
      clear(at);
    }
    FusedSecondLevel.drop(probe);
  }

  static boolean suffices(long translation, long access) {
    boolean fetch = access < 0;
    long care = careOf(translation, fetch);
    long user = (translation & Translation.USER) != 0 ? Access.USER | Access.SMAP_EXEMPT : 0;
    long differs = (access ^ care & (user | NEVER)) & care & (Access.MASK & ~Access.FETCH | NEVER);
    boolean executable = !fetch || (translation & Translation.EXECUTABLE) != 0;
    return differs == 0 && executable || ruled(translation, access);
  }

  private static boolean ruled(long translation, long access) {
    return ((access & Access.WRITE) == 0 || (translation & Translation.DIRTY) != 0)
        && Rights.permit(translation, access, FusedWalker.RIGHTS, StreamMachine.PKRU, 0);
  }

  private static long addressOf(long translation, long access) {
    return Translation.address(translation, access, 12 + 9 * Translation.size(translation));
  }

  private static long lookup(long access, long probe) {
    boolean fetch = probe < 0;
    int at = find(probe);
    if (at >= 0) {
      entries[at + TIME] = clock += TICK;
      filter[page(access)] = (char) at;
      long leaf = entries[at + LEAF];
      counters[HITS + (fetch ? 3 : 0) + Translation.size(leaf)]++;
      return leaf;
    }
    counters[fetch ? I_MISSES : D_MISSES]++;
    long leaf = FusedSecondLevel.find(probe);
    if (leaf == 0) {
      counters[SECOND_MISSES]++;
    } else {
      counters[SECOND_HITS + Translation.size(leaf)]++;
      fill(access, probe, leaf);
    }
    return leaf;
  }

  private static int firstOfSet(long probe) {
    return (probe < 0 ? FETCHES : 0) + ((int) (probe >>> 12) & 15) * WAYS * WORDS;
  }

  private static int find(long probe) {
    int set = firstOfSet(probe);
    int found = -1;
    for (int way = 0; way < WAYS; way++) {
      int at = set + WORDS * way;
      if (((probe ^ entries[at + KEY]) & entries[at + TAG]) == 0) {
        found = at;
      }
    }
    return found;
  }

  private static int oldest(int set) {
    long oldest = entries[set + TIME];
    for (int way = 1; way < WAYS; way++) {
      long other = entries[set + WORDS * way + TIME] | way;
      long less = oldest - other;
      oldest = other + (less & less >> 63);
    }
    return set + ((int) oldest & TICK - 1) * WORDS;
  }

  private static long careOf(long leaf, boolean fetch) {
    int index = (int) leaf & 127;
    int key = Translation.key(leaf) | (int) (leaf & Translation.USER) << 3;
    return fetch ? careByRights[index | 128] : careByRights[index] | careByKey[key];
  }

  private static void fill(long access, long probe, long leaf) {
    boolean fetch = probe < 0;
    int size = Translation.size(leaf);
    int at = oldest(firstOfSet(probe));
    int lane = (fetch ? 3 : 0) + size;
    long linear = probe & PAGE;
    long care = careOf(leaf, fetch);
    long user = (leaf & Translation.USER) != 0 ? Access.USER | Access.SMAP_EXEMPT : 0;
    entries[at + KEY] = probe & care & PRESENT | care & (user | NEVER);
    entries[at + CARE] = care;
    entries[at + TAG] = care & PRESENT;
    entries[at + LEAF] = leaf;
    entries[at + LANE] = lane == 0 ? 0 : 1L << LANE_BITS * (lane - 1);
    long reached = size == 0 ? Translation.frame(leaf) : addressOf(leaf, linear);
    entries[at + DELTA] = reached - linear;
    entries[at + TIME] = clock += TICK;
    filter[page(access)] = (char) at;
  }
}
