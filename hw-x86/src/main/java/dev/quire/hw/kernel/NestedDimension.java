// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.NestedAccess;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.NestedTranslation;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;

/**
 * The second dimension of one CPU: from guest-physical to machine addresses, by tables of one
 * format. {@link TableWalker} asks it for each entry that it reads of the guest's tables, and for
 * the address that it ends with.
 */
public abstract class NestedDimension {
  /** The row of references for addresses that walks end with; others have their guest level. */
  public static final int LAST = 0;

  /** The guest-physical address of the last fault. Unit: bytes. */
  public long faultAddress;

  /** What an exit says of the last fault: of {@link dev.quire.api.x86.NestedFault}. */
  public long qualification;

  /** The last fault itself; 0 after a {@link #load} that succeeded. */
  public long fault;

  /** By level of the guest's tables: where the walk's entry lies, and which bits it must set. */
  private final long[] entryAddresses = new long[Counters.LEVELS];

  private final long[] missing = new long[Counters.LEVELS];

  /** The rules of the tables. */
  public abstract NestedRules rules();

  /**
   * Makes other tables current.
   *
   * @param paging the control block's; its PML index is counted down
   */
  public abstract void enter(NestedPaging paging);

  /**
   * Translates one address.
   *
   * @param guestPhysical bytes
   * @param kind of {@link dev.quire.api.x86.NestedAccess}
   * @param row under which guest level references count
   * @return a {@link dev.quire.api.x86.NestedTranslation}, or a fault
   */
  public abstract long translate(long guestPhysical, int kind, int row);

  /**
   * What a walk would probably read last for an address; a look ahead that changes nothing.
   *
   * @param guestPhysical bytes
   */
  public abstract long peek(long guestPhysical);

  /**
   * Moves a guest's table to where it lies in the machine.
   *
   * @param above a table as {@link EntryStep} has it
   * @param entryAddress guest-physical address of the entry that is wanted. Unit: bytes
   * @param level of the table
   * @return {@code above} with the machine's address, or a fault
   */
  public final long table(long above, long entryAddress, int level) {
    long found = translate(entryAddress, NestedAccess.TABLE, level);
    return found < 0
        ? found
        : NestedTranslation.address(found, above & PageEntry.FRAME) | above & EntryStep.CARRIED;
  }

  /**
   * A PDPTE for its register.
   *
   * @param guestPhysical its address. Unit: bytes
   * @param row as in {@link #translate}
   * @return its value; meaningless if {@link #fault} is not 0
   */
  public abstract long load(long guestPhysical, int row);

  /**
   * The step of a walk through a PDPTE in memory: with NPT none is latched, each walk reads its own
   * (APM vol. 2, 15.25.10).
   *
   * @return as {@link EntryStep#judge}, with all rights, for a PDPTE has none
   */
  public abstract long pdpte(PagingContext context, long access, PagingFormat format);

  /**
   * Notes what a guest's walk would write of an entry if it succeeds.
   *
   * @param level of the entry
   * @param entryAddress guest-physical. Unit: bytes
   * @param bits that are missing of A and D
   */
  public final void note(int level, long entryAddress, long bits) {
    entryAddresses[level] = entryAddress;
    missing[level] = bits;
  }

  /**
   * Asks, before a guest's walk writes any A or D, whether it may write all of them. Where tables
   * are always written that has been asked; otherwise it is asked here, from the root down, since a
   * table that may be read need not be one that may be written (SDM vol. 3, 29.3.3.2).
   *
   * @param leaf the level of the entry that maps the page
   * @param top the level of the root
   * @param result what the walk shall answer
   * @return {@code result}, or a fault
   */
  public final long permitUpdates(int leaf, int top, long result) {
    if (rules().tablesAreWritten()) {
      return result;
    }
    for (int level = top; level >= leaf; level--) {
      if (missing[level] != 0) {
        long found = translateForUpdate(entryAddresses[level], level);
        if (found < 0) {
          return found;
        }
      }
    }
    return result;
  }

  /**
   * Translates the address of an entry again, now that it is to be written. The hardware has the
   * translation at hand: it reads nothing for that, and nothing is counted.
   *
   * @param entryAddress guest-physical. Unit: bytes
   * @param level of the entry
   * @return as {@link #translate}
   */
  public abstract long translateForUpdate(long entryAddress, int level);

  /**
   * The second dimension of what a guest's walk ended with.
   *
   * @param guest the guest's translation
   * @param access flags of {@link dev.quire.api.x86.Access} and linear address
   * @param format of the guest's tables
   * @return both together, as a TLB may keep it unless it is {@link Walker#UNKEPT}; or a fault
   */
  public final long last(long guest, long access, PagingFormat format) {
    long linear = access & Operation.ADDRESS;
    long guestPhysical = Translation.address(guest, linear, format.shift(Translation.level(guest)));
    int kind = NestedAccess.last(access, (guest & Translation.USER) != 0);
    long found = translate(guestPhysical, kind, LAST);
    if (found < 0) {
      qualification |= qualification == 0 ? 0 : rules().pageInformation(guest);
      return found;
    }
    long kept = (found & NestedTranslation.READABLE) != 0 ? 0 : Walker.UNKEPT;
    long combined = NestedTranslation.combine(guest, found, guestPhysical, format);
    if (Translation.size(combined) < Translation.size(guest)) {
      notePieces();
    }
    return combined | kept;
  }

  /** Where it found tables lately. */
  public abstract FrameHints hints();

  /** Notes that TLBs may get pieces of a guest's large page. */
  public abstract void notePieces();
}
