// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.hw.memory.SparseMemory;
import java.lang.invoke.MethodHandles;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The walk through page tables of one format. A template, see {@link AssocCache}: the format and
 * the caches are constants, so that the walk of each format compiles to straight code.
 *
 * <p>Two roads lead through the {@linkplain EntryStep steps}. {@link #descend} goes down from the
 * root and, on the way back from a walk that succeeded, sets A and D by compare-and-exchange; a
 * walk that faults changes nothing. The hardware's fast road, {@link #table1} and its like, enters
 * as low as the paging-structure caches allow and succeeds if nothing needs to be written; whatever
 * else it meets, it leaves to descend.
 *
 * <p>With a {@link NestedDimension}, each table is {@link #located} in the machine before it is
 * read, and so is the page in the end. What is known above a level then has the machine address of
 * the table, in the paging-structure caches too: those are combined mappings.
 */
public final class TableWalker extends Walker {
  private static final WalkerParts PARTS =
      Specializer.data(MethodHandles.lookup(), WalkerParts.class);
  private static final PagingFormat FORMAT = PARTS.format();
  private static final SparseMemory MEMORY = PARTS.memory();
  private static final int LEVELS = FORMAT.levels();
  private static final boolean HALF_ENTRIES = FORMAT.entryBytes() == 4;
  private static final boolean REGISTER_ROOT = FORMAT.rootInRegisters();
  private static final long FRAME = FORMAT.frameMask();

  private static final WalkerParts.@Nullable Hardware HARDWARE = PARTS.hardware();
  private static final boolean COUNTS = HARDWARE != null;
  private static final StructureCaches STRUCTURES =
      HARDWARE == null ? StructureCaches.none() : HARDWARE.structures();
  private static final @Nullable Cache PDE = STRUCTURES.level(2);
  private static final @Nullable Cache PDPTE = STRUCTURES.level(3);
  private static final @Nullable Cache PML4E = STRUCTURES.level(4);
  private static final @Nullable Cache PML5E = STRUCTURES.level(5);
  private static final long[] COUNTERS =
      HARDWARE == null ? new Counters().values() : HARDWARE.counters().values();
  private static final int REFERENCES = HwEvent.REFERENCES_1.ordinal() - 1;
  private static final int PSC_HITS = HwEvent.PSC_HITS_2.ordinal() - 2;
  private static final int WALKS = HwEvent.WALKS.ordinal();
  private static final int WALKS_TO = HwEvent.WALKS_TO_4K.ordinal();
  private static final int ACCESSED_SET = HwEvent.ACCESSED_SET.ordinal();
  private static final int DIRTY_SET = HwEvent.DIRTY_SET.ordinal();
  private static final int RETRIES = HwEvent.ASSIST_RETRIES.ordinal();

  private static final @Nullable NestedDimension NESTED =
      HARDWARE == null ? null : HARDWARE.nested();
  private static final boolean FAST = STRUCTURES.exist() || NESTED != null;
  private static final boolean ROOT_IN_MEMORY = NESTED != null && !NESTED.rules().isEpt();
  private static final boolean SWITCHING = HARDWARE != null && HARDWARE.switching();
  private static final long CARRIED = EntryStep.CARRIED;
  private static final long SWITCHED = EntryStep.SWITCHED;

  /** The answer of a walk that lost a race for an entry: begin again. */
  private static final long RETRY = EntryStep.NEEDS_ACCESSED | 1L << 61;

  /** The fast road ends here, the walk from the root may go on; negative like a fault. */
  private static final long LEAVE = Long.MIN_VALUE;

  private static final FrameHints HINTS = new FrameHints(MEMORY);
  private static final RepeatedReads REPEATED = new RepeatedReads(COUNTERS, NESTED != null);

  /** Down to which level the fast road has read from the root; 0: the final address too. */
  private static int readFrom;

  /** With a switching bit: whether the walk goes on in nested mode. */
  private static boolean switched;

  /** For {@link Specializer}. */
  public TableWalker() {}

  @Override
  public long walk(long access) {
    PagingContext context = Objects.requireNonNull(HARDWARE).context();
    long linear = access << 7 >> 7;
    if (!FORMAT.isCanonical(linear)) {
      return Translation.fault(FaultRule.NOT_CANONICAL, 0, 0);
    }
    COUNTERS[WALKS]++;
    switched = false;
    readFrom = FAST ? 1 : LEVELS + 1;
    if (FAST) {
      long above = table1(context, access);
      long result = above < 0 || EntryStep.isPage(above) ? above : lastStep(context, above, access);
      if (result > 0
          && (result & EntryStep.NEEDS_ACCESSED) == 0
          && Verdict.suffices(context, result, access)) {
        long reached = NESTED == null ? result : last(result, access);
        if (NESTED == null || reached >= 0) {
          COUNTERS[WALKS_TO + Translation.size(reached)]++;
          return reached;
        }
      }
    }
    return fromTheRoot(context, linear, access);
  }

  /** The second dimension of the address that the guest's tables have given. */
  private static long last(long guest, long access) {
    readFrom = readFrom <= LEVELS ? NestedDimension.LAST : readFrom;
    return SWITCHING && !switched
        ? guest
        : Objects.requireNonNull(NESTED).last(guest, access, FORMAT);
  }

  /**
   * A walk that the fast road could not finish: a fault, an entry to be written, or no caches.
   * Where it came by way of a cached entry, the hardware walks again from the root before it raises
   * a fault, and that is counted; where it did not, what it has read is only read again here.
   */
  private long fromTheRoot(PagingContext context, long linear, long access) {
    int from = readFrom;
    switched = false;
    REPEATED.keep(from, LEVELS);
    long result = walk(context, Addresses.gva(linear), access, null, true, null);
    if (NESTED != null && result >= 0) {
      REPEATED.before(NestedDimension.LAST);
      result = last(result, access);
      REPEATED.after(NestedDimension.LAST);
    }
    REPEATED.restore(from, LEVELS);
    if (!Translation.isFault(result)) {
      COUNTERS[WALKS_TO + Translation.size(result)]++;
    }
    return result;
  }

  @Override
  public long walk(
      PagingContext context,
      @Gva long linear,
      long access,
      @Nullable FrameMapper frames,
      boolean update,
      @Nullable WalkTrace trace) {
    if (!FORMAT.isCanonical(linear)) {
      return Translation.fault(FaultRule.NOT_CANONICAL, 0, 0);
    }
    long flagged = access & Access.MASK | linear & Operation.ADDRESS;
    while (true) {
      if (trace != null) {
        trace.clear();
      }
      long root = context.root() & PageEntry.FRAME | CARRIED;
      long result = descend(context, root, LEVELS, flagged, frames, update, trace);
      if (result != RETRY) {
        return result;
      }
      COUNTERS[RETRIES]++;
    }
  }

  private static long descend(
      PagingContext context,
      long above,
      int level,
      long access,
      @Nullable FrameMapper frames,
      boolean update,
      @Nullable WalkTrace trace) {
    boolean inRegister = REGISTER_ROOT && level == LEVELS;
    REPEATED.before(level);
    long table = inRegister ? registerStep(context, access, trace) : located(above, access, level);
    REPEATED.after(level);
    if (table < 0) {
      return table;
    }
    if (inRegister) {
      return descend(context, table, level - 1, access, frames, update, trace);
    }
    long[] frame = EntryStep.frame(MEMORY, table, frames);
    if (frame == null) {
      return Verdict.malformed(context, FaultRule.TABLE_NOT_MEMORY, level, access);
    }
    int at = FORMAT.index(access, level);
    long entry = EntryStep.load(frame, at, HALF_ENTRIES);
    COUNTERS[REFERENCES + level] += COUNTS ? 1 : 0;
    if (trace != null) {
      trace.step(level, entryAddress(above, access, level), entry, access << 7 >> 7, FORMAT);
    }
    long below = EntryStep.judge(context, above, entry, level, access, FRAME);
    if (below < 0) {
      return below;
    }
    maySwitch(entry, level);
    boolean page = EntryStep.isPage(below);
    note(above, entry, page, level, access);
    long result =
        page
            ? permitted(context, below, level, access)
            : descend(context, below, level - 1, access, frames, update, trace);
    if (result < 0 || result == RETRY) {
      return result;
    }
    return update
        ? assist(frame, at, entry, page, result, access)
        : result & ~EntryStep.NEEDS_ACCESSED;
  }

  private static void note(long above, long entry, boolean page, int level, long access) {
    if (NESTED != null) {
      NESTED.note(
          level, entryAddress(above, access, level), EntryStep.missing(entry, page, access));
    }
  }

  /** The rights check, and whether the second dimension lets A and D be written. */
  private static long permitted(PagingContext context, long page, int level, long access) {
    long result = Verdict.checked(context, page, access);
    int top = REGISTER_ROOT || SWITCHING ? LEVELS - 1 : LEVELS; // a PDPTE has neither A nor D
    return NESTED == null || result < 0 || SWITCHING && !switched
        ? result
        : NESTED.permitUpdates(level, top, result);
  }

  /**
   * Sets what is missing of A, and in the entry that maps the page of D. Only a home has such
   * entries: other frames read as zeros or ones.
   */
  private static long assist(
      long[] frame, int at, long entry, boolean page, long result, long access) {
    boolean dirty = page && (access & Access.WRITE) != 0;
    long missing = EntryStep.missing(entry, page, access);
    if (missing != 0) {
      if (!EntryStep.set(frame, at, HALF_ENTRIES, entry, missing)) {
        return RETRY;
      }
      COUNTERS[ACCESSED_SET] += missing >>> 5 & 1;
      COUNTERS[DIRTY_SET] += missing >>> 6;
    }
    return result & ~EntryStep.NEEDS_ACCESSED | (dirty ? Translation.DIRTY : 0);
  }

  private static long registerStep(PagingContext context, long access, @Nullable WalkTrace trace) {
    return NESTED != null && ROOT_IN_MEMORY
        ? NESTED.pdpte(context, access, FORMAT)
        : EntryStep.register(context, access, FORMAT, trace);
  }

  /** Above a level, with the table moved to where it lies in the machine; or a fault. */
  private static long located(long above, long access, int level) {
    return NESTED == null || SWITCHING && !switched
        ? above
        : NESTED.table(above, entryAddress(above, access, level), level);
  }

  /** A marked entry of the root switches to nested mode. */
  private static void maySwitch(long entry, int level) {
    if (SWITCHING && level == LEVELS) {
      switched = (entry & PageEntry.SWITCHES) != 0;
    }
  }

  /** Where an entry lies in the address space of the tables. */
  private static long entryAddress(long above, long access, int level) {
    return (above & PageEntry.FRAME) + (long) FORMAT.index(access, level) * FORMAT.entryBytes();
  }

  /** The same on the fast road, which leaves what the second dimension refuses to descend. */
  private static long arrived(long above, long access, int level) {
    if (NESTED == null || above < 0 || EntryStep.isPage(above)) {
      return above;
    }
    long table = located(above, access, level);
    readFrom = table < 0 ? Math.max(readFrom, level) : readFrom;
    return table < 0 ? LEAVE : table;
  }

  private static long lastStep(PagingContext context, long above, long access) {
    long entry = entry(above, access, 1);
    PagingRules rules = Verdict.rules(context);
    return rules.isPlain(entry, 1)
        ? rules.leaf(entry, 1) | EntryStep.rights(EntryStep.carried(above, entry))
        : EntryStep.judge(context, above, entry, 1, access, FRAME);
  }

  private static long entry(long above, long access, int level) {
    COUNTERS[REFERENCES + level]++;
    long[] frame = HINTS.frame(FrameHints.index(FORMAT, access, level), above & PageEntry.FRAME);
    return EntryStep.load(frame, FORMAT.index(access, level), HALF_ENTRIES);
  }

  /** What is known of the level-1 table. */
  private static long table1(PagingContext context, long access) {
    if (PDE != null) {
      int slot = PDE.find(prefix(access, 2));
      if (slot >= 0) {
        return entering(2, PDE.value(slot));
      }
    }
    return through(context, table2(context, access), access, 2, PDE);
  }

  private static long table2(PagingContext context, long access) {
    if (LEVELS == 2) {
      return arrived(context.root() | CARRIED, access, 2);
    }
    if (PDPTE != null) {
      int slot = PDPTE.find(prefix(access, 3));
      if (slot >= 0) {
        return entering(3, PDPTE.value(slot));
      }
    }
    if (REGISTER_ROOT) {
      return arrived(registerStep(context, access, null), access, 2);
    }
    return through(context, table3(context, access), access, 3, PDPTE);
  }

  private static long table3(PagingContext context, long access) {
    if (PML4E != null) {
      int slot = PML4E.find(prefix(access, 4));
      if (slot >= 0) {
        return entering(4, PML4E.value(slot));
      }
    }
    return through(context, table4(context, access), access, 4, PML4E);
  }

  private static long table4(PagingContext context, long access) {
    if (LEVELS == 4) {
      return arrived(context.root() | CARRIED, access, 4);
    }
    if (PML5E != null) {
      int slot = PML5E.find(prefix(access, 5));
      if (slot >= 0) {
        return entering(5, PML5E.value(slot));
      }
    }
    long root = arrived(context.root() | CARRIED, access, 5);
    return through(context, root, access, 5, PML5E);
  }

  /** One step below a table, and the result into the cache of its level if A is set all the way. */
  private static long through(
      PagingContext context, long above, long access, int level, @Nullable Cache cache) {
    if (above < 0 || EntryStep.isPage(above)) {
      return above;
    }
    long entry = entry(above, access, level);
    if (!Verdict.rules(context).isPlain(entry, level)) {
      long other = EntryStep.judge(context, above, entry, level, access, FRAME);
      readFrom = Math.max(readFrom, level);
      return EntryStep.isPage(other) ? other : LEAVE; // a fault, or a table whose A bit must be set
    }
    maySwitch(entry, level);
    long below = arrived(entry & FRAME | EntryStep.carried(above, entry), access, level - 1);
    if (cache != null && (NESTED == null || below >= 0)) {
      cache.put(prefix(access, level), SWITCHING && switched ? below | SWITCHED : below);
    }
    return below;
  }

  private static long entering(int level, long value) {
    COUNTERS[PSC_HITS + level]++;
    readFrom = LEVELS + 1;
    switched = SWITCHING && (value & SWITCHED) != 0;
    return SWITCHING ? value & ~SWITCHED : value;
  }

  private static long prefix(long access, int level) {
    return Key.second(access, FORMAT.shift(level), 0, STRUCTURES.space());
  }

  @Override
  public FrameHints hints() {
    return HINTS;
  }

  @Override
  public void touch(long[] operations, int from) {
    touched = FAST ? HINTS.touch(FORMAT, NESTED, operations, from) : 0;
  }
}
