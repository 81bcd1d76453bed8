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

  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final GuestWrites writes;
  private final EntryReferences entries;
  private final TerminalFaults faults;
  private final int owner;
  private final int slots;

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
  }

  @Override
  public Errno validate(@Mfn long mfn, long type, PagingWork work) {
    FrameType wanted = FrameWords.type(type);
    if (wanted == FrameType.SEG_DESC) {
      return descriptors(mfn, work);
    }
    return wanted == FrameType.L1 ? promoteLevel1(mfn, work) : promote(mfn, wanted.level(), work);
  }

  @Override
  public Errno devalidate(@Mfn long mfn, long type, PagingWork work) {
    int level = FrameWords.type(type).level();
    writes.tableEnding(mfn);
    if (level == 1) {
      putLevel1(mfn, slots, work);
      return Errno.OK;
    }
    return demote(mfn, level, work);
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
      rewrite(mfn, slot, entry, EntryRules.adjusted(entry ^ flip, 1));
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

  private Errno promote(@Mfn long mfn, int level, PagingWork work) {
    int first = frames.validated(mfn);
    boolean partial = frames.hasPartialChild(mfn);
    for (int slot = first; slot < slots; slot++, partial = false) {
      Errno result = Errno.OK;
      long entry = read(mfn, slot);
      if (slot > first && work.mustYield()) {
        result = Errno.EINTR;
      } else if (EntryRules.isGuestSlot(level, slot) && EntryRules.isPresent(entry)) {
        result = entries.getUpper(level, entry, mfn, partial, level > 2, work);
      } else if (EntryRules.isGuestSlot(level, slot) && faults.mustWait(entry, level, work)) {
        result = Errno.EINTR;
      } else {
        continue;
      }
      if (!result.isOk()) {
        return stopped(mfn, slot, result, partial, entry, work);
      }
      work.countValidated(1);
      rewrite(mfn, slot, entry, EntryRules.adjusted(entry, level));
    }
    if (level == 4 && slots > EntryRules.LAST_XEN_SLOT) {
      installXenSlots(mfn);
    }
    return Errno.OK;
  }

  /** Promotion stopped at a slot: notes how far it came, so that it can go on or be undone. */
  private Errno stopped(
      @Mfn long mfn, int slot, Errno result, boolean partial, long entry, PagingWork work) {
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
    boolean childDeferred = work.hasDeferred(EntryRules.target(entry));
    if (childDeferred) {
      work.undefer(); // this table holds it from now on
    }
    frames.progress(mfn, slot, partial || childDeferred);
    work.defer(mfn, Addresses.mfn(FrameTable.NO_PARENT), true);
    return result;
  }

  private Errno demote(@Mfn long mfn, int level, PagingWork work) {
    boolean partial = frames.hasPartialChild(mfn);
    int slot = Math.min(frames.validated(mfn), slots) - (partial ? 0 : 1);
    while (true) {
      long entry = read(mfn, slot);
      if (EntryRules.isGuestSlot(level, slot) && EntryRules.isPresent(entry)) {
        Errno result = entries.putUpper(entry, mfn, partial, work);
        if (!result.isOk()) {
          return undoingStopped(mfn, slot, result, partial);
        }
        work.countGivenBack(1);
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
