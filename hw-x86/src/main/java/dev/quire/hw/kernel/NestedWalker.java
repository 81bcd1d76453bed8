// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.NestedAccess;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.NestedTranslation;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import dev.quire.hw.memory.FrameEntries;
import dev.quire.hw.memory.SparseMemory;
import java.lang.invoke.MethodHandles;
import org.jspecify.annotations.Nullable;

/**
 * The walk through nested tables. A template, see {@link AssocCache}: {@link NestedRules} make one
 * source serve NPT and EPT, and as constants they leave of it what one of the two needs.
 *
 * <p>A walk is judged from the root down, as the manuals have it: each entry present, then well
 * formed; at the end the rights of all of them together. Only if they suffice are A and D set, from
 * the root down and by compare-and-exchange, and a page whose D bit goes from 0 to 1 is logged. A
 * walk that is refused changes nothing.
 */
public final class NestedWalker extends NestedDimension {
  private static final NestedParts PARTS =
      Specializer.data(MethodHandles.lookup(), NestedParts.class);
  private static final NestedRules RULES = PARTS.rules();
  private static final PagingFormat FORMAT = RULES.format();
  private static final NestedRules.Layout LAYOUT = RULES.layout();
  private static final SparseMemory MEMORY = PARTS.memory();
  private static final int LEVELS = FORMAT.levels();
  private static final int WIDTH = FORMAT.linearBits();
  private static final long ACCESSED = LAYOUT.accessed();
  private static final long DIRTY = LAYOUT.dirty();
  private static final boolean SETS = RULES.tablesAreWritten();
  private static final NestedCaches NESTED_CACHES = PARTS.caches();
  private static final @Nullable SecondLevel TLB = NESTED_CACHES.tlb();
  private static final StructureCaches STRUCTURES = NESTED_CACHES.structures();
  private static final FrameHints HINTS = new FrameHints(MEMORY);
  private static final NestedLevel ONE = level(1, null);
  private static final NestedLevel TWO = level(2, ONE);
  private static final NestedLevel THREE = level(3, TWO);
  private static final NestedLevel FOUR = level(4, THREE);
  private static final NestedLevel ROOT = LEVELS == 5 ? level(5, FOUR) : FOUR;
  private static final long[] COUNTERS = PARTS.counters().values();
  private static final int TLB_HITS = HwEvent.NESTED_TLB_HITS.ordinal();
  private static final int PSC_HITS = HwEvent.NESTED_PSC_HITS_2.ordinal() - 2;
  private static final int PDPTES = HwEvent.REFERENCES_3.ordinal();
  private static final int NESTED_WALKS = HwEvent.NESTED_WALKS.ordinal();
  private static final int ACCESSED_SET = HwEvent.NESTED_ACCESSED_SET.ordinal();
  private static final int DIRTY_SET = HwEvent.NESTED_DIRTY_SET.ordinal();
  private static final int LOGGED = HwEvent.PML_LOGGED.ordinal();
  private static final int RETRIES = HwEvent.ASSIST_RETRIES.ordinal();

  /** The answer of a walk that lost a race for an entry: begin again. */
  private static final long RETRY = 1L << 62;

  /** What the walk has read, by level. */
  private static final long[][] frames = new long[LEVELS + 1][];

  private static final long[] entries = new long[LEVELS + 1];

  /** Counts as they were before something that is not counted. */
  private static final long[] kept = new long[COUNTERS.length];

  /** Which level the fast road began at: the root's unless a cache led lower. */
  private static int entered;

  private static long root;

  private NestedPaging paging = new NestedPaging();

  /** For {@link Specializer}. */
  public NestedWalker() {}

  private static NestedLevel level(int level, @Nullable NestedLevel below) {
    NestedLevelParts parts =
        new NestedLevelParts(level, below, RULES, STRUCTURES, HINTS, PARTS.counters());
    return Specializer.specialise(NestedLevel.class, NestedTableLevel.class, parts);
  }

  @Override
  public NestedRules rules() {
    return RULES;
  }

  @Override
  public void enter(NestedPaging current) {
    paging = current;
    root = current.root & PageEntry.FRAME;
  }

  @Override
  public void notePieces() {
    NESTED_CACHES.notePieces();
  }

  @Override
  public long translate(long guestPhysical, int kind, int row) {
    if (TLB != null) {
      long needed = RULES.needed(kind);
      long found = TLB.find(guestPhysical & Key.PAGE | STRUCTURES.space());
      if (found != 0 && (found & needed) == needed) {
        COUNTERS[TLB_HITS]++;
        return found;
      }
      if (found != 0) {
        TLB.drop(guestPhysical & Key.PAGE | STRUCTURES.space());
      }
    }
    long found = walk(guestPhysical, kind, row);
    if (TLB != null && found >= 0) {
      TLB.put(guestPhysical & Key.PAGE | STRUCTURES.space(), found);
    }
    return found;
  }

  @Override
  public long translateForUpdate(long entryAddress, int level) {
    System.arraycopy(COUNTERS, 0, kept, 0, kept.length);
    long found = translate(entryAddress, NestedAccess.TABLE_UPDATE, level);
    System.arraycopy(kept, 0, COUNTERS, 0, kept.length);
    return found;
  }

  @Override
  public long peek(long guestPhysical) {
    return HINTS.peek(FORMAT, guestPhysical);
  }

  @Override
  public FrameHints hints() {
    return HINTS;
  }

  private long walk(long guestPhysical, int kind, int row) {
    if (guestPhysical >>> WIDTH != 0) {
      return refuse(FaultRule.NESTED_NOT_PRESENT, LEVELS, guestPhysical, kind, 0);
    }
    COUNTERS[NESTED_WALKS]++;
    long result = fast(guestPhysical, RULES.needed(kind), row);
    if (result != NestedLevel.LEAVE) {
      return result;
    }
    while ((result = fromTheRoot(guestPhysical, kind, row)) == RETRY) {
      COUNTERS[RETRIES]++;
    }
    return result;
  }

  /**
   * The fast road: enters as low as the paging-structure caches allow, and succeeds if every entry
   * is well formed and accessed, the rights suffice and D is set if it must be. It leaves whatever
   * else it meets to {@link #fromTheRoot}; what it has read from the root down is not counted then,
   * for it is read again.
   */
  private static long fast(long guestPhysical, long needed, int row) {
    entered = LEVELS;
    long found = descend(guestPhysical, row);
    if ((found & NestedLevel.LEAVE) != 0) {
      return leave(NestedLevel.leftAt(found), row);
    }
    return (found & needed) == needed ? found : leave(Translation.level(found), row);
  }

  private static long descend(long guestPhysical, int row) {
    long known = TWO.find(guestPhysical);
    if (known != 0) {
      return entering(1, known, ONE, guestPhysical, row);
    }
    known = THREE.find(guestPhysical);
    if (known != 0) {
      return entering(2, known, TWO, guestPhysical, row);
    }
    known = FOUR.find(guestPhysical);
    if (known != 0) {
      return entering(3, known, THREE, guestPhysical, row);
    }
    known = LEVELS == 5 ? ROOT.find(guestPhysical) : 0;
    return known != 0
        ? entering(4, known, FOUR, guestPhysical, row)
        : ROOT.descend(root | NestedTranslation.RIGHTS, guestPhysical, row);
  }

  private static long entering(int level, long known, NestedLevel at, long guestPhysical, int row) {
    COUNTERS[PSC_HITS + level + 1]++;
    entered = level;
    return at.descend(known, guestPhysical, row);
  }

  /** Takes back what was counted, unless a cache led here: then the hardware walks twice. */
  private static long leave(int level, int row) {
    for (int read = level; entered == LEVELS && read <= LEVELS; read++) {
      COUNTERS[Counters.nestedReference(row, read)]--;
    }
    return NestedLevel.LEAVE;
  }

  @Override
  public long load(long guestPhysical, int row) {
    long found = translate(guestPhysical, NestedAccess.PDPTE_LOAD, row);
    fault = Math.min(found, 0);
    return found < 0 ? 0 : read(found, guestPhysical);
  }

  @Override
  public long pdpte(PagingContext context, long access, PagingFormat format) {
    int level = format.levels();
    long at = context.root() + 8L * format.index(access, level);
    long found = translate(at, NestedAccess.TABLE, level);
    if (found < 0) {
      return found;
    }
    COUNTERS[PDPTES]++;
    long entry = read(found, at);
    long below =
        EntryStep.judge(context, EntryStep.CARRIED, entry, level, access, format.frameMask());
    return below < 0 ? below : below | EntryStep.CARRIED;
  }

  private static long read(long found, long guestPhysical) {
    return MEMORY.load(Addresses.maddr(NestedTranslation.address(found, guestPhysical)), 8);
  }

  private long fromTheRoot(long guestPhysical, int kind, int row) {
    long table = root;
    long rights = NestedTranslation.RIGHTS;
    int level = LEVELS;
    while (true) {
      long[] frame = MEMORY.frameToRead(frameNumber(table));
      long entry = frame[FORMAT.index(guestPhysical, level)];
      COUNTERS[Counters.nestedReference(row, level)]++;
      frames[level] = frame;
      entries[level] = entry;
      if (!RULES.isPresent(entry)) {
        return refuse(FaultRule.NESTED_NOT_PRESENT, level, guestPhysical, kind, 0);
      }
      FaultRule malformation = RULES.malformation(entry, level);
      if (malformation != null) {
        return refuse(malformation, level, guestPhysical, kind, 0);
      }
      rights &= LAYOUT.rights(entry);
      if (RULES.mapsPage(entry, level)) {
        return page(guestPhysical, level, rights, kind);
      }
      table = entry & PageEntry.FRAME;
      level--;
    }
  }

  /** The end of a walk, at an entry that maps a page. */
  private long page(long guestPhysical, int level, long rights, int kind) {
    long needed = RULES.needed(kind) & ~NestedTranslation.DIRTY;
    if ((rights & needed) != needed) {
      FaultRule rule = RULES.refusal(rights, kind);
      return refuse(rule, level, guestPhysical, kind, rights);
    }
    long found = LAYOUT.leaf(entries[level], level, FORMAT) | rights;
    if (!SETS) {
      return found;
    }
    boolean dirties = RULES.isWrite(kind) && (found & NestedTranslation.DIRTY) == 0;
    if (dirties && paging.logging && paging.pmlIndex < 0) {
      return refuse(FaultRule.PML_FULL, level, guestPhysical, kind, 0);
    }
    for (int above = LEVELS; above > level; above--) {
      if (!set(above, ACCESSED, guestPhysical)) {
        return RETRY;
      }
    }
    if (!set(level, dirties ? ACCESSED | DIRTY : ACCESSED, guestPhysical)) {
      return RETRY;
    }
    if (dirties && paging.logging) {
      log(guestPhysical);
    }
    return dirties ? found | NestedTranslation.DIRTY : found;
  }

  /** Sets what is missing of A and D in the entry of a level, unless another was faster. */
  private static boolean set(int level, long wanted, long guestPhysical) {
    long entry = entries[level];
    long missing = wanted & ~entry;
    if (missing == 0) {
      return true;
    }
    int at = FORMAT.index(guestPhysical, level);
    if (!FrameEntries.compareAndSet(frames[level], at, entry, entry | missing)) {
      return false;
    }
    COUNTERS[ACCESSED_SET] += (missing & ACCESSED) != 0 ? 1 : 0;
    COUNTERS[DIRTY_SET] += (missing & DIRTY) != 0 ? 1 : 0;
    return true;
  }

  /** Page-modification logging: SDM vol. 3, 29.3.6. */
  private void log(long guestPhysical) {
    @Maddr long at = Addresses.advance(paging.pmlBase, 8L * paging.pmlIndex);
    MEMORY.store(at, 8, guestPhysical & PageEntry.FRAME);
    paging.pmlIndex--;
    COUNTERS[LOGGED]++;
  }

  private static @Mfn long frameNumber(long table) {
    return Addresses.mfn(table >>> PagingFormat.PAGE_SHIFT);
  }

  private long refuse(FaultRule rule, int level, long guestPhysical, int kind, long rights) {
    faultAddress = guestPhysical;
    boolean says = rule.exit() == FaultRule.Exit.NESTED_FAULT;
    qualification = says ? RULES.qualification(kind, rule, rights) : 0;
    fault = Translation.fault(rule, level, 0);
    return fault;
  }
}
