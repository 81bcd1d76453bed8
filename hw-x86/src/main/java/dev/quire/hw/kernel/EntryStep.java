// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.hw.memory.FrameEntries;
import dev.quire.hw.memory.SparseMemory;
import org.jspecify.annotations.Nullable;

/**
 * How one entry of a walk is judged: what is known above a level becomes what is known below it.
 *
 * <pre>
 *   a table   0 | 51..12 its frame | 5 A in all entries | 2 user | 1 writable | 0 executable
 *   a page    a {@link Translation}, and NEEDS_ACCESSED if an entry above or the entry itself has A = 0
 *   a fault   a {@link Translation} that is one
 * </pre>
 *
 * Every entry of every walk passes here, unless {@link PagingRules#isPlain} has said in one
 * comparison that nothing is to be judged.
 */
public final class EntryStep {
  private static final long EXECUTABLE = 1L;

  /** What a table hands down; all of it is set above the root. */
  public static final long CARRIED = PageEntry.RW | PageEntry.US | EXECUTABLE | PageEntry.A;

  /** A page to which the walk must set A in some entry. */
  public static final long NEEDS_ACCESSED = 1L << 62;

  /** In a table that is cached, on a CPU with a switching bit: it is reached in nested mode. */
  public static final long SWITCHED = 1L << 9;

  private EntryStep() {}

  /**
   * Judges an entry.
   *
   * @param frameMask the address bits of entries of this format
   */
  public static long judge(
      PagingContext context, long above, long entry, int level, long access, long frameMask) {
    PagingRules rules = Verdict.rules(context);
    if ((entry & PageEntry.P) == 0) {
      return Verdict.notPresent(context, level, access);
    }
    boolean page = rules.mapsPage(entry, level);
    if ((entry & rules.reserved(level, page)) != 0) {
      return Verdict.malformed(context, FaultRule.RESERVED_BIT, level, access);
    }
    long carried = carried(above, entry);
    if (!page) {
      return entry & frameMask | carried;
    }
    long unaccessed = (~carried & PageEntry.A) << 62 - 5;
    return rules.leaf(entry, level) | rights(carried) | unaccessed;
  }

  /** The step through a PDPTE register, whose reserved bits were checked when it was loaded. */
  public static long register(
      PagingContext context, long access, PagingFormat format, @Nullable WalkTrace trace) {
    int level = format.levels();
    long entry = context.pdptes()[format.index(access, level)];
    if (trace != null) {
      trace.step(level, -1, entry, access << 7 >> 7, format);
    }
    return (entry & PageEntry.P) == 0
        ? Verdict.notPresent(context, level, access)
        : entry & format.frameMask() | CARRIED;
  }

  /** The frame of a table, null if it lies in no memory. */
  public static long @Nullable [] frame(
      SparseMemory memory, long table, @Nullable FrameMapper frames) {
    long number = (table & PageEntry.FRAME) >>> PagingFormat.PAGE_SHIFT;
    @Mfn
    long mfn = frames == null ? Addresses.mfn(number) : frames.toMachine(Addresses.gfn(number));
    return mfn == FrameMapper.NONE ? null : memory.frameToRead(mfn);
  }

  /** What must be set of A, and in the entry that maps the page of D. */
  public static long missing(long entry, boolean page, long access) {
    boolean dirty = page && (access & Access.WRITE) != 0;
    return (PageEntry.A | (dirty ? PageEntry.D : 0)) & ~entry;
  }

  /** Sets bits of an entry, unless it has changed since it was read. */
  public static boolean set(long[] frame, int position, boolean half, long entry, long bits) {
    return half
        ? FrameEntries.compareAndSetHalf(frame, position, entry, entry | bits)
        : FrameEntries.compareAndSet(frame, position, entry, entry | bits);
  }

  /** What all entries so far have in common, in the layout of a table. */
  public static long carried(long above, long entry) {
    return (entry & (CARRIED & ~EXECUTABLE) | ~entry >>> 63) & above;
  }

  /** The same in the layout of a translation. */
  public static long rights(long carried) {
    return (carried & (PageEntry.RW | PageEntry.US)) >>> 1 | (carried & EXECUTABLE) << 2;
  }

  /** Whether this is a page; it is none if it is a table. */
  public static boolean isPage(long below) {
    return (below & Translation.PRESENT) != 0;
  }

  /** The entry at a position of a table with entries of 4 or 8 bytes. */
  public static long load(long[] frame, int position, boolean half) {
    if (half) {
      long both = frame[position >>> 1];
      return (position & 1) == 0 ? both & 0xffffffffL : both >>> 32;
    }
    return frame[position];
  }
}
