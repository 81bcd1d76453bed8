// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static dev.quire.api.x86.PagingFormat.PAGE_SHIFT;
import static dev.quire.hw.kernel.FirstLevelEntries.BITS;
import static dev.quire.hw.kernel.FirstLevelEntries.CARE;
import static dev.quire.hw.kernel.FirstLevelEntries.DELTA;
import static dev.quire.hw.kernel.FirstLevelEntries.KEY;
import static dev.quire.hw.kernel.FirstLevelEntries.LANE;
import static dev.quire.hw.kernel.FirstLevelEntries.LEAF;
import static dev.quire.hw.kernel.FirstLevelEntries.TAG;
import static dev.quire.hw.kernel.FirstLevelEntries.TIME;
import static dev.quire.hw.kernel.FirstLevelEntries.WORDS;

import dev.quire.api.address.Gva;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationContext;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;

/**
 * The machine's own TLBs: first-level instruction and data TLBs, and the second level behind them.
 * A template, see {@link AssocCache}.
 *
 * <p>All first-level TLBs lie in {@code entries}, eight words an entry. An access hits if {@code
 * ((operation | state) ^ key) & care} is zero: {@link CareTable} tells what that settles. The
 * filter maps low bits of the 4 KiB page number to the entry that served such a page last; it is a
 * hint, the key decides. It serves pages of all sizes, and fetches and data alike.
 */
public final class TlbHierarchy implements TranslationCache {
  private static final TlbParts PARTS = Specializer.data(MethodHandles.lookup(), TlbParts.class);
  private static final boolean LRU = PARTS.geometry().replacement() == Replacement.LRU;
  private static final boolean TREE = PARTS.geometry().replacement() == Replacement.TREE_PLRU;

  private static final FirstLevelPlan DATA = PARTS.plan(false);
  private static final FirstLevelPlan FETCH = PARTS.plan(true);
  private static final SecondLevel SECOND = PARTS.secondLevel();
  private static final long[] COUNTERS = PARTS.counters().values();
  private static final int HITS = HwEvent.L1D_HITS_4K.ordinal();
  private static final int HITS_SECOND = HwEvent.L2_HITS_4K.ordinal();
  private static final int D_MISSES = HwEvent.L1D_MISSES.ordinal();
  private static final int I_MISSES = HwEvent.L1I_MISSES.ordinal();
  private static final int SECOND_MISSES = HwEvent.L2_MISSES.ordinal();

  private static final int LENGTH = FirstLevelEntries.length(PARTS.firstEntries());
  private static final int AT = LENGTH - WORDS;

  /** The nodes of a tree of up to 32 ways. */
  private static final long NODES = 0xffffffffL;

  private static final long MACHINE = PageEntry.FRAME | 0xfff;

  private static final int[] shifts = {PAGE_SHIFT, 21, 30};
  private static final long[] entries = new long[LENGTH];
  private static final char[] filter = new char[1 << 12];
  private static final long[] trees = new long[LENGTH / WORDS];
  private static final FirstLevelEntries first =
      new FirstLevelEntries(entries, LRU, PARTS.dataEntries() * WORDS, shifts);
  private static final CareTable care = new CareTable();
  private static final TranslationContext current = new TranslationContext();

  /** The current address space and privilege, or-ed into every probe. */
  private static long state;

  /** Hits that are not in the counters yet. */
  private static long lanes;

  private static int served;
  private static long clock;
  private static long random = PARTS.seed() | 1;

  /** Large sizes ever kept since everything was dropped, a bit each. */
  private static int sizes;

  private static boolean ready;

  /** For {@link Specializer}. */
  public TlbHierarchy() {
    first.clear();
    if (TREE) {
      first.plantTrees(DATA);
      first.plantTrees(FETCH);
    }
  }

  /**
   * Four accesses a turn, written out. That is more bytecode (over 325) than the compiler inlines:
   * compiled by itself the loop has registers enough, inlined it keeps its variable in memory.
   */
  @Override
  public int serve(long[] operations, int from, int to, long[] reached) {
    long now = state;
    int end = Math.min(to, from + room());
    long time = clock;
    long counts = lanes;
    served -= from; // and not subtracted afterwards: a register less is needed in the loop
    int i = from;
    while (i < end - 3) {
      long first = operations[i];
      int a = filter[page(first)] & AT;
      if ((((first & Key.OPERATION | now) ^ entries[a + KEY]) & entries[a + CARE]) != 0) break;
      time = use(a, time);
      counts += entries[a + LANE];
      reached[i++] = first + entries[a + DELTA] & MACHINE;
      long second = operations[i];
      int b = filter[page(second)] & AT;
      if ((((second & Key.OPERATION | now) ^ entries[b + KEY]) & entries[b + CARE]) != 0) break;
      time = use(b, time);
      counts += entries[b + LANE];
      reached[i++] = second + entries[b + DELTA] & MACHINE;
      long third = operations[i];
      int c = filter[page(third)] & AT;
      if ((((third & Key.OPERATION | now) ^ entries[c + KEY]) & entries[c + CARE]) != 0) break;
      time = use(c, time);
      counts += entries[c + LANE];
      reached[i++] = third + entries[c + DELTA] & MACHINE;
      long fourth = operations[i];
      int d = filter[page(fourth)] & AT;
      if ((((fourth & Key.OPERATION | now) ^ entries[d + KEY]) & entries[d + CARE]) != 0) break;
      time = use(d, time);
      counts += entries[d + LANE];
      reached[i++] = fourth + entries[d + DELTA] & MACHINE;
    }
    clock = time;
    lanes = counts;
    served += i;
    return i;
  }

  /** How many hits the lanes can still take; they are emptied if it is less than a turn's. */
  private int room() {
    if (served > HitLanes.MOST - 4) {
      settle();
    }
    return HitLanes.MOST - served;
  }

  @Override
  public void settle() {
    HitLanes.count(COUNTERS, lanes, served);
    lanes = 0;
    served = 0;
  }

  private static int page(long operation) {
    return (int) (operation << 40 >>> 52);
  }

  @Override
  public boolean expects(long operation) {
    int at = filter[page(operation)] & AT;
    long differs = (operation & Key.OPERATION | state) ^ entries[at + KEY];
    return (differs & entries[at + CARE]) == 0;
  }

  @Override
  public long lookup(long access) {
    long probe = probe(access);
    boolean fetch = probe < 0;
    int at = find(probe);
    if (at >= 0) {
      clock = use(at, clock);
      filter[page(access)] = (char) at;
      long leaf = entries[at + LEAF];
      COUNTERS[HITS + HitLanes.lane(fetch, Translation.size(leaf))]++;
      return leaf;
    }
    COUNTERS[fetch ? I_MISSES : D_MISSES]++;
    long leaf = SECOND.find(probe);
    if (leaf == MISS) {
      COUNTERS[SECOND_MISSES]++;
    } else {
      COUNTERS[HITS_SECOND + Translation.size(leaf)]++;
      fillFirst(access, probe, leaf);
    }
    return leaf;
  }

  private static long probe(long access) {
    return access & (Access.MASK | Key.PAGE) | state;
  }

  /** The first-level entry that holds the page, whatever its rights, or -1. */
  private static int find(long probe) {
    return probe < 0 ? find(probe, FETCH) : find(probe, DATA);
  }

  private static int find(long probe, FirstLevelPlan plan) {
    int at = scan(probe, plan.of4K(), PAGE_SHIFT);
    if (at < 0 && plan.scan2M() && sizes > 1) {
      at = scan(probe, plan.of2M(), shifts[1]);
    }
    if (at < 0 && plan.scan1G() && sizes > 3) {
      at = scan(probe, plan.of1G(), shifts[2]);
    }
    return at;
  }

  private static int scan(long probe, FirstLevelPlan.Tlb tlb, int shift) {
    int set = firstOfSet(probe, tlb, shift);
    int found = -1;
    for (int way = 0; way < tlb.ways(); way++) {
      int at = set + WORDS * way;
      if (((probe ^ entries[at + KEY]) & entries[at + TAG]) == 0) {
        found = at;
      }
    }
    return found;
  }

  private static int firstOfSet(long probe, FirstLevelPlan.Tlb tlb, int shift) {
    int set = (int) (probe >>> shift) & tlb.sets() - 1;
    return (tlb.first() + set * tlb.ways()) * WORDS;
  }

  @Override
  public void fill(long access, long translation) {
    long probe = probe(access);
    SECOND.put(probe, translation);
    fillFirst(access, probe, translation);
  }

  private static void fillFirst(long access, long probe, long leaf) {
    boolean fetch = probe < 0;
    int size = Translation.size(leaf);
    int at = size == 0 ? fillSmall(probe, leaf, fetch) : fillLarge(probe, leaf, size, fetch);
    entries[at + LEAF] = leaf;
    clock = use(at, clock);
    filter[page(access)] = (char) at;
  }

  /** In two calls, so that each compiles with its own constants. */
  private static int fillSmall(long probe, long leaf, boolean fetch) {
    return fetch
        ? keep(probe, leaf, FETCH.of4K(), 0, 0, true)
        : keep(probe, leaf, DATA.of4K(), 0, 0, false);
  }

  private static int fillLarge(long probe, long leaf, int size, boolean fetch) {
    FirstLevelPlan plan = fetch ? FETCH : DATA;
    int kept = plan.kept(size);
    sizes |= 1 << kept;
    return keep(probe, leaf, plan.of(size), kept, size, fetch);
  }

  private static int keep(
      long probe, long leaf, FirstLevelPlan.Tlb tlb, int kept, int size, boolean fetch) {
    long linear = probe & Key.PAGE;
    int at = AT & victim(probe, tlb, shift(kept));
    entries[at + LANE] = HitLanes.one(fetch, size);
    entries[at + DELTA] = Translation.address(leaf, linear, shift(size)) - linear;
    entries[at + BITS] = TREE ? entries[at + BITS] & -4L | kept : kept;
    match(at, probe, leaf, kept, fetch);
    return at;
  }

  private static int shift(int size) {
    return size == 0 ? PAGE_SHIFT : shifts[size];
  }

  private static void match(int at, long probe, long leaf, int kept, boolean fetch) {
    long counts = care.care(leaf, kept, fetch);
    entries[at + KEY] = probe & counts & Key.PRESENT | CareTable.expected(leaf, counts);
    entries[at + CARE] = counts;
    entries[at + TAG] = counts & Key.PRESENT;
  }

  private static int victim(long probe, FirstLevelPlan.Tlb tlb, int shift) {
    int set = firstOfSet(probe, tlb, shift);
    if (LRU) {
      return FirstLevelEntries.oldest(entries, set, tlb.ways());
    }
    int free = first.free(set, tlb.ways());
    if (free >= 0) {
      return free;
    }
    if (TREE) {
      return set + WORDS * TreePlru.victim(trees[first.tree(set)], tlb.ways());
    }
    random = TreePlru.nextRandom(random);
    return set + WORDS * (int) ((random >>> 33) % tlb.ways());
  }

  /** Notes a use; answers its time. */
  private static long use(int at, long time) {
    long now = LRU ? time + FirstLevelEntries.TICK : time;
    if (LRU) {
      entries[at + TIME] = now;
    } else if (TREE) {
      int tree = first.tree(at);
      trees[tree] = trees[tree] & entries[at + TIME] | entries[at + BITS] >>> 2 & NODES;
    }
    return now;
  }

  @Override
  public void contextChanged(TranslationContext context) {
    state = PARTS.spaces().find(context.tag(), context.pcid()) | context.privilege();
    boolean same = ready && context.hasRulesOf(current);
    PagingFormat format = current.format();
    current.set(context);
    if (!same) {
      if (!ready || context.format().shift(2) != format.shift(2)) {
        resize(context.format());
      }
      rightsChanged();
      ready = true;
    }
  }

  /** Large pages get another size: nothing that was kept could be found by its number. */
  private void resize(PagingFormat format) {
    dropAll();
    SECOND.format(format);
    for (int size = 1; size < shifts.length; size++) {
      shifts[size] = format.shift(size + 1);
    }
  }

  /** What is there is matched by the new rules from now on. */
  private static void rightsChanged() {
    care.update(current, shifts);
    for (int at = 0; at < LENGTH; at += WORDS) {
      if (entries[at + LEAF] != 0) {
        int kept = first.kept(at);
        match(at, entries[at + KEY], entries[at + LEAF], kept, first.isFetch(at));
      }
    }
  }

  @Override
  public void drop(long access) {
    long probe = probe(access);
    int at = find(probe);
    if (at >= 0) {
      first.clear(at);
    }
    SECOND.drop(probe);
  }

  @Override
  public void dropAll() {
    first.clear();
    SECOND.dropAll();
    sizes = 0;
  }

  @Override
  public void reset() {
    dropAll();
    SECOND.reset();
    Arrays.fill(trees, 0);
    clock = 0;
    random = PARTS.seed() | 1;
  }

  @Override
  public void dropTag(int tag) {
    long vpid = PARTS.spaces().findVpid(tag);
    first.dropIf(Key.VPID, vpid, true);
    SECOND.dropVpid(vpid, true);
  }

  @Override
  public void dropNonGlobal() {
    first.dropIf(Key.VPID, state & Key.VPID, false);
    SECOND.dropVpid(state, false);
  }

  @Override
  public void dropPcid(int pcid) {
    long space = PARTS.spaces().find(current.tag(), pcid);
    if (space != 0) {
      first.dropIf(Key.SPACE, space, false);
      SECOND.dropSpace(space);
    }
  }

  @Override
  public void dropPage(int pcid, @Gva long linear, boolean globals) {
    long space = PARTS.spaces().find(current.tag(), pcid);
    long vpid = PARTS.spaces().findVpid(current.tag());
    first.dropPage(linear, space, globals ? vpid : 0);
    if (space != 0 || globals) {
      SECOND.dropPage(linear, space != 0 ? space : vpid, globals);
    }
  }

  @Override
  public void forEach(EntryVisitor visitor) {
    first.forEach(PARTS.spaces(), visitor);
    SECOND.forEach(PARTS.spaces(), visitor);
  }
}
