// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameTypeValidator;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;

/**
 * Makes frames pagetables of a 64-bit PV guest and back ({@code promote_l1_table} to {@code l4},
 * {@code demote_l1_table} to {@code l4}). Levels 2 to 4 can stop between two entries and go on
 * later, and go on with a child that stopped itself.
 */
final class TableValidator implements FrameTypeValidator {
  private static final long SELF =
      PageEntry.P | PageEntry.RW | PageEntry.A | PageEntry.D | PageEntry.NX;

  private static final long FOUR_GIB = 1L << 32 - Addresses.PAGE_SHIFT;

  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final GuestWrites writes;
  private final EntryReferences entries;
  private final TerminalFaults faults;
  private final int owner;
  private final int slots;
  private final TableFormat format;
  private volatile boolean rootsAnywhere;

  /**
   * Validates frames of a domain.
   *
   * @param slots how many entries a table has: 512, or fewer in small worlds
   */
  TableValidator(
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
    this.owner = owner;
    this.slots = slots;
    format = entries.format();
  }

  @Override
  public Errno validate(@Mfn long mfn, long type, PagingWork work) {
    FrameType wanted = FrameWords.type(type);
    if (wanted == FrameType.SEG_DESC) {
      return descriptors(mfn, work);
    }
    if (wanted == FrameType.L1) {
      return promoteLevel1(mfn, work);
    }
    if (format == TableFormat.PAE && wanted == FrameType.L3) {
      return promoteRoot(mfn, type, work);
    }
    return promote(mfn, type, work);
  }

  /** Whether roots of a PAE guest may lie above 4 GiB. */
  void rootsAnywhere(boolean may) {
    rootsAnywhere = may;
  }

  @Override
  public Errno devalidate(@Mfn long mfn, long type, PagingWork work) {
    int level = FrameWords.type(type).level();
    writes.tableEnding(mfn);
    if (level == 1) {
      putLevel1(mfn, slots, work);
      return Errno.OK;
    }
    return demote(mfn, type, work);
  }

  private Errno descriptors(@Mfn long mfn, PagingWork work) {
    for (int slot = 0; slot < slots; slot++) {
      long descriptor = read(mfn, slot);
      if (!Descriptors.isAllowed(descriptor)) {
        work.because(PvRule.DESCRIPTOR);
        return Errno.EINVAL;
      }
      rewrite(mfn, slot, descriptor, Descriptors.adjusted(descriptor));
    }
    return Errno.OK;
  }

  // ---- level 1: all or nothing, never preempted ----

  private Errno promoteLevel1(@Mfn long mfn, PagingWork work) {
    int present = 0;
    for (int slot = 0; slot < slots; slot++) {
      long entry = read(mfn, slot);
      if (!EntryRules.isPresent(entry)) {
        if (faults.mustWait(entry, 1, work)) {
          putLevel1(mfn, slot, work);
          return Errno.EINTR;
        }
        continue;
      }
      int flip = entries.getLevel1(entry, owner, work);
      if (EntryReferences.isRefused(flip)) {
        putLevel1(mfn, slot, work);
        return EntryReferences.refusal(flip);
      }
      present++;
      rewrite(mfn, slot, entry, format.adjusted(entry ^ flip, 1));
    }
    work.countValidated(present);
    return Errno.OK;
  }

  private void putLevel1(@Mfn long mfn, int count, PagingWork work) {
    int present = 0;
    for (int slot = count - 1; slot >= 0; slot--) {
      long entry = read(mfn, slot);
      if (EntryRules.isPresent(entry)) {
        entries.putLevel1(entry, work);
        present++;
      }
    }
    work.countGivenBack(present);
  }

  // ---- levels 2 to 4 ----

  /**
   * The root of a PAE guest. The hardware sees a whole table, of which the guest needs to fill the
   * first four entries only; of those the last must be there, and its table nobody else's, since
   * the hypervisor's mappings go into it ({@code create_pae_xen_mappings}).
   */
  private Errno promoteRoot(@Mfn long mfn, long type, PagingWork work) {
    if (mfn >= FOUR_GIB && !rootsAnywhere) {
      work.because(PvRule.ROOT_TOO_HIGH);
      return Errno.ERANGE;
    }
    for (int slot = TableFormat.ROOT_SLOTS; slot < slots; slot++) {
      rewrite(mfn, slot, read(mfn, slot), 0);
    }
    Errno result = promote(mfn, type, work);
    if (!result.isOk()) {
      return result;
    }
    @Mfn long last = EntryRules.target(read(mfn, TableFormat.LAST_ROOT_SLOT));
    if (FrameWords.typeCount(frames.typeWord(last)) == 1) {
      return result;
    }
    work.because(PvRule.SHARED_LAST_TABLE);
    unadjust(mfn, slots);
    frames.progress(mfn, slots, false);
    work.defer(mfn, Addresses.mfn(FrameTable.NO_PARENT), true);
    return Errno.EINVAL;
  }

  /** The entry that leads to the hypervisor's slots; others may be empty. */
  private boolean mustBeThere(int level, int slot) {
    return format == TableFormat.PAE && level == 3 && slot == TableFormat.LAST_ROOT_SLOT;
  }

  private void unadjust(@Mfn long mfn, int count) {
    for (int slot = count - 1; slot >= 0; slot--) {
      long entry = read(mfn, slot);
      rewrite(mfn, slot, entry, format.unadjusted(entry, format.top()));
    }
  }

  private Errno promote(@Mfn long mfn, long type, PagingWork work) {
    int level = FrameWords.type(type).level();
    int first = frames.validated(mfn);
    boolean partial = frames.hasPartialChild(mfn);
    for (int slot = first; slot < slots; slot++, partial = false) {
      Errno result = Errno.OK;
      long entry = read(mfn, slot);
      if (slot > first && work.mustYield()) {
        result = Errno.EINTR;
      } else if (format.isGuestSlot(type, slot, slots)) {
        result = take(mfn, level, slot, entry, partial, work);
      }
      if (!result.isOk()) {
        return stopped(mfn, level, slot, result, partial, entry, work);
      }
      if (EntryRules.isPresent(entry) && format.isGuestSlot(type, slot, slots)) {
        work.countValidated(1);
        rewrite(mfn, slot, entry, format.adjusted(entry, level));
      }
    }
    if (level == 4 && slots > EntryRules.LAST_XEN_SLOT) {
      installXenSlots(mfn);
    }
    if ((type & FrameWords.PAE_XEN_L2) != 0) {
      for (int slot = TableFormat.firstXenSlot(slots); slot < slots; slot++) {
        write(mfn, slot, entries.policy().hypervisorSlot(slot)); // init_xen_pae_l2_slots
      }
    }
    return Errno.OK;
  }

  private Errno take(
      @Mfn long mfn, int level, int slot, long entry, boolean partial, PagingWork work) {
    if (EntryRules.isPresent(entry)) {
      return entries.getUpper(level, slot, entry, mfn, partial, level > 2, work);
    }
    if (mustBeThere(level, slot)) {
      work.because(PvRule.NO_LAST_TABLE);
      return Errno.EINVAL;
    }
    return faults.mustWait(entry, level, work) ? Errno.EINTR : Errno.OK;
  }

  /** Promotion stopped at a slot: notes how far it came, so that it can go on or be undone. */
  private Errno stopped(
      @Mfn long mfn,
      int level,
      int slot,
      Errno result,
      boolean partial,
      long entry,
      PagingWork work) {
    if (result == Errno.ERESTART) {
      frames.progress(mfn, slot, true);
      return result;
    }
    if (slot == 0 && !partial) {
      return result; // nothing is held; a child that was put off holds itself
    }
    if (result == Errno.EINTR) {
      frames.progress(mfn, slot, partial);
      return Errno.ERESTART;
    }
    if (level == 3) {
      unadjust(mfn, slot);
    }
    boolean childDeferred = work.hasDeferred(EntryRules.target(entry));
    if (childDeferred) {
      work.undefer(); // this table holds it from now on
    }
    frames.progress(mfn, slot, partial || childDeferred);
    work.defer(mfn, Addresses.mfn(FrameTable.NO_PARENT), true);
    return result;
  }

  private Errno demote(@Mfn long mfn, long type, PagingWork work) {
    int level = FrameWords.type(type).level();
    boolean partial = frames.hasPartialChild(mfn);
    int slot = Math.min(frames.validated(mfn), slots) - (partial ? 0 : 1);
    while (true) {
      long entry = read(mfn, slot);
      if (format.isGuestSlot(type, slot, slots) && EntryRules.isPresent(entry)) {
        Errno result = entries.putUpper(entry, mfn, partial, work);
        if (!result.isOk()) {
          return undoingStopped(mfn, slot, result, partial);
        }
        work.countGivenBack(1);
        rewrite(mfn, slot, entry, format.unadjusted(entry, level));
      }
      partial = false;
      if (slot-- == 0) {
        return Errno.OK;
      }
      if (work.mustYield()) {
        return undoingStopped(mfn, slot, Errno.EINTR, false);
      }
    }
  }

  private Errno undoingStopped(@Mfn long mfn, int slot, Errno result, boolean partial) {
    if (result == Errno.ERESTART) {
      frames.progress(mfn, slot, true);
      return result;
    }
    if (slot == slots - 1) {
      return result; // nothing has been given back yet
    }
    frames.progress(mfn, slot + (partial ? 0 : 1), partial);
    return Errno.ERESTART;
  }

  /** Fills the hypervisor's slots of a level-4 table ({@code init_xen_l4_slots}). */
  void installXenSlots(@Mfn long mfn) {
    for (int slot = EntryRules.FIRST_XEN_SLOT; slot <= EntryRules.LAST_XEN_SLOT; slot++) {
      boolean self = slot == EntryRules.SELF_MAP_SLOT;
      long entry = self ? Addresses.mfnToMaddr(mfn) | SELF : entries.policy().hypervisorSlot(slot);
      write(mfn, slot, entry);
    }
  }

  // ---- entries ----

  private long read(@Mfn long mfn, int slot) {
    return memory.frameToRead(mfn)[slot];
  }

  private void rewrite(@Mfn long mfn, int slot, long before, long after) {
    if (before != after) {
      write(mfn, slot, after);
    }
  }

  private void write(@Mfn long mfn, int slot, long entry) {
    writes.store(Addresses.mfnToMaddr(mfn, (long) slot << 3), Long.BYTES, entry);
  }
}
