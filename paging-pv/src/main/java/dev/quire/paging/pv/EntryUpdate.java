// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;

/**
 * One change to one entry of a guest's pagetable, or to a quadword of a frame that is none ({@code
 * mod_l1_entry} to {@code mod_l4_entry} under {@code do_mmu_update}). What the new entry stands for
 * is taken, the entry is written, then what the old one stood for is given back.
 */
final class EntryUpdate {
  private static final int UPPER = 0x100;
  private static final Errno[] ERRORS = Errno.values();
  private static final long ACCESSED_DIRTY = PageEntry.A | PageEntry.D;

  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final GuestWrites writes;
  private final EntryReferences entries;
  private final TerminalFaults faults;
  private final EntryMasks masks;
  private final TableFormat format;
  private final int slots;
  private final int owner;

  EntryUpdate(
      FrameTable frames,
      PhysicalMemory memory,
      GuestWrites writes,
      EntryReferences entries,
      TerminalFaults faults,
      int owner,
      int slots) {
    this.frames = frames;
    this.memory = memory;
    this.writes = writes;
    this.entries = entries;
    this.faults = faults;
    masks = entries.masks();
    format = entries.format();
    this.slots = slots;
    this.owner = owner;
  }

  /**
   * Changes a quadword of a guest's frame as what the frame is now demands.
   *
   * @param pointer where it is, quadword-aligned
   * @param value the new entry
   * @param preserve whether A and D of the entry stay set ({@code MMU_PT_UPDATE_PRESERVE_AD})
   * @param pageOwner whose frames the entry maps
   */
  Errno update(@Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    return result(change(pointer, value, preserve, pageOwner, work));
  }

  /**
   * The same, telling more.
   *
   * @return to be read by {@link #result} and {@link #isUpper}
   */
  int change(@Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    @Mfn long mfn = Addresses.maddrToMfn(pointer);
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      work.because(PvRule.NOT_THE_DOMAINS_FRAME);
      return Errno.EINVAL.ordinal();
    }
    int result;
    if (frames.lock(mfn)) {
      boolean upper = FrameWords.type(frames.typeWord(mfn)).level() > 1;
      Errno changed = locked(mfn, pointer, value, preserve, pageOwner, work);
      result = changed.ordinal() | (upper && changed.isOk() ? UPPER : 0);
    } else {
      result = unlocked(mfn, pointer, value, work).ordinal();
    }
    frames.put(mfn);
    return result;
  }

  static Errno result(int change) {
    return ERRORS[change & ~UPPER];
  }

  /** Whether an entry above level 1 was changed: TLBs may hold what led through it. */
  static boolean isUpper(int change) {
    return (change & UPPER) != 0;
  }

  /**
   * Changes an entry of a level-1 table.
   *
   * @param pointer where it is
   * @return EINVAL too if there is no such table
   */
  Errno updateLevel1(@Maddr long pointer, long value, int pageOwner, PagingWork work) {
    @Mfn long mfn = Addresses.maddrToMfn(pointer);
    if (!lockLevel1(mfn, work)) {
      return Errno.EINVAL;
    }
    Errno result = level1(pointer, value, false, pageOwner, work);
    unlockLevel1(mfn);
    return result;
  }

  /** Locks a frame of the domain if it is a level-1 table in use. */
  boolean lockLevel1(@Mfn long mfn, PagingWork work) {
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      work.because(PvRule.NOT_THE_DOMAINS_FRAME);
      return false;
    }
    if (frames.lock(mfn)) {
      if (FrameWords.type(frames.typeWord(mfn)) == FrameType.L1) {
        return true;
      }
      frames.unlock(mfn);
    }
    frames.put(mfn);
    work.because(PvRule.NOT_LEVEL_1);
    return false;
  }

  void unlockLevel1(@Mfn long mfn) {
    frames.unlock(mfn);
    frames.put(mfn);
  }

  /**
   * Changes an entry of a locked level-1 table as the guest's own instruction would have: checked
   * and counted whatever changes ({@code ptwr_emulated_update}).
   *
   * @param exchange whether the entry must still be {@code expected}
   * @return OK; EAGAIN if it was not; ERESTART if it is to be tried again; otherwise what refuses
   *     the new entry
   */
  Errno emulate(@Maddr long pointer, boolean exchange, long expected, long value, PagingWork work) {
    long made = value;
    if (EntryRules.isPresent(value)) {
      int flip = entries.getLevel1(value, owner, work);
      if (EntryReferences.isRefused(flip)) {
        return EntryReferences.refusal(flip);
      }
      made = format.adjusted(value ^ flip, 1);
    } else if (faults.mustWait(value, 1, work)) {
      return Errno.ERESTART;
    }
    long old = exchange ? expected : memory.load(pointer, Long.BYTES);
    while (writes.compareExchange(pointer, old, made) != old) {
      if (exchange) {
        entries.putLevel1(made, work);
        return Errno.EAGAIN;
      }
      old = memory.load(pointer, Long.BYTES); // the hardware has set A or D meanwhile
    }
    entries.putLevel1(old, work);
    return Errno.OK;
  }

  private Errno locked(
      @Mfn long mfn,
      @Maddr long pointer,
      long value,
      boolean preserve,
      int pageOwner,
      PagingWork work) {
    FrameType type = FrameWords.type(frames.typeWord(mfn));
    int slot = (int) Addresses.pageOffset(pointer) >>> 3;
    Errno result =
        switch (type) {
          case L1 -> level1(pointer, value, preserve, pageOwner, work);
          case L2, L3, L4 -> {
            if (pageOwner != owner) {
              work.because(PvRule.FOREIGN_TABLE);
              yield Errno.EINVAL;
            }
            yield upper(type.level(), mfn, slot, pointer, value, preserve, work);
          }
          case WRITABLE -> {
            writes.store(pointer, Long.BYTES, value);
            yield Errno.OK;
          }
          default -> {
            work.because(PvRule.TYPE_IN_USE);
            yield Errno.EINVAL;
          }
        };
    frames.unlock(mfn);
    return result == Errno.EINTR ? Errno.ERESTART : result;
  }

  /** A frame on whose type nobody relies becomes a writable one for as long as the store takes. */
  private Errno unlocked(@Mfn long mfn, @Maddr long pointer, long value, PagingWork work) {
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
    if (!typed.isOk()) {
      work.because(PvRule.TYPE_IN_USE);
      return Errno.EINVAL;
    }
    writes.store(pointer, Long.BYTES, value);
    frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, work);
    return Errno.OK;
  }

  private Errno level1(
      @Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    long old = memory.load(pointer, Long.BYTES);
    if (!EntryRules.isPresent(value)) {
      if (faults.mustWait(value, 1, work)) {
        return Errno.ERESTART;
      }
      long replaced = write(pointer, old, value, preserve);
      return finishLevel1(replaced == old, old, value, work);
    }
    if ((value & entries.disallowed(1)) != 0) {
      work.because(PvRule.FLAGS);
      return Errno.EINVAL;
    }
    if (isUncounted(old, value)) {
      long adjusted = format.adjusted(value, 1);
      return written(write(pointer, old, adjusted, preserve) == old, Errno.EBUSY, work);
    }
    int flip = entries.getLevel1(value, pageOwner, work);
    if (EntryReferences.isRefused(flip)) {
      return EntryReferences.refusal(flip);
    }
    long adjusted = format.adjusted(value ^ flip, 1);
    return finishLevel1(write(pointer, old, adjusted, preserve) == old, old, adjusted, work);
  }

  /** Written: the old entry's references go. Not written, since somebody was faster: the new's. */
  private Errno finishLevel1(boolean written, long old, long made, PagingWork work) {
    entries.putLevel1(written ? old : made, work);
    return written(written, Errno.EBUSY, work);
  }

  private Errno upper(
      int level,
      @Mfn long table,
      int slot,
      @Maddr long pointer,
      long value,
      boolean preserve,
      PagingWork work) {
    Errno closed = isClosed(level, frames.typeWord(table), slot);
    if (!closed.isOk()) {
      work.because(PvRule.HYPERVISOR_SLOT);
      return closed;
    }
    long old = memory.load(pointer, Long.BYTES);
    Errno failure = level > 2 ? Errno.EFAULT : Errno.EBUSY;
    if (EntryRules.isPresent(value)) {
      if ((value & entries.disallowed(level)) != 0) {
        work.because(PvRule.FLAGS);
        return Errno.EINVAL;
      }
      if (isUncounted(old, value)) {
        long adjusted = format.adjusted(value, level);
        return written(write(pointer, old, adjusted, preserve) == old, failure, work);
      }
      Errno taken = entries.getUpper(level, slot, value, table, false, false, work);
      if (!taken.isOk()) {
        return taken;
      }
    } else if (faults.mustWait(value, level, work)) {
      return Errno.ERESTART;
    }
    long adjusted = format.adjusted(value, level);
    boolean written = write(pointer, old, adjusted, preserve) == old;
    entries.deferUpper(written ? old : adjusted, table, work);
    return written(written, failure, work);
  }

  /**
   * Slots of the hypervisor's are closed, and the entry of a PAE guest's root that leads to them:
   * its mappings would have to be valid all the time.
   */
  private Errno isClosed(int level, long type, int slot) {
    boolean last = format == TableFormat.PAE && level == format.top();
    boolean open = !(last && slot >= TableFormat.LAST_ROOT_SLOT);
    return open && format.isGuestSlot(type, slot, slots)
        ? Errno.OK
        : level == 2 ? Errno.EPERM : Errno.EINVAL;
  }

  private static Errno written(boolean done, Errno otherwise, PagingWork work) {
    if (!done) {
      work.because(PvRule.CHANGED_MEANWHILE);
    }
    return done ? Errno.OK : otherwise;
  }

  private boolean isUncounted(long old, long value) {
    return ((old ^ value) & ~masks.uncounted()) == 0;
  }

  /** Replaces the entry if only its A and D bits have changed; answers what it was taken for. */
  private long write(@Maddr long pointer, long old, long value, boolean preserve) {
    long expected = old;
    while (true) {
      long wanted = preserve ? value | expected & ACCESSED_DIRTY : value;
      long found = writes.compareExchange(pointer, expected, wanted);
      if (found == expected) {
        return old;
      }
      if (!preserve || ((found ^ old) & ~ACCESSED_DIRTY) != 0) {
        return found;
      }
      expected = found;
    }
  }
}
