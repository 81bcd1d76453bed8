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
  private static final long ACCESSED_DIRTY = PageEntry.A | PageEntry.D;

  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final EntryReferences entries;
  private final int owner;

  EntryUpdate(FrameTable frames, PhysicalMemory memory, EntryReferences entries, int owner) {
    this.frames = frames;
    this.memory = memory;
    this.entries = entries;
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
    @Mfn long mfn = Addresses.maddrToMfn(pointer);
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      return Errno.EINVAL;
    }
    Errno result =
        frames.lock(mfn)
            ? locked(mfn, pointer, value, preserve, pageOwner, work)
            : unlocked(mfn, pointer, value, work);
    frames.put(mfn);
    return result;
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
          case L2, L3, L4 ->
              pageOwner == owner
                  ? upper(type.level(), mfn, slot, pointer, value, preserve, work)
                  : Errno.EINVAL;
          case WRITABLE -> {
            memory.store(pointer, Long.BYTES, value);
            yield Errno.OK;
          }
          default -> Errno.EINVAL;
        };
    frames.unlock(mfn);
    return result == Errno.EINTR ? Errno.ERESTART : result;
  }

  /** A frame on whose type nobody relies becomes a writable one for as long as the store takes. */
  private Errno unlocked(@Mfn long mfn, @Maddr long pointer, long value, PagingWork work) {
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
    if (!typed.isOk()) {
      return Errno.EINVAL;
    }
    memory.store(pointer, Long.BYTES, value);
    frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, work);
    return Errno.OK;
  }

  private Errno level1(
      @Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    long old = memory.load(pointer, Long.BYTES);
    if (!EntryRules.isPresent(value)) {
      long replaced = write(pointer, old, value, preserve);
      return finishLevel1(replaced == old, old, value, work);
    }
    if ((value & EntryRules.disallowed(1, entries.policy().controlsMemoryTypes())) != 0) {
      return Errno.EINVAL;
    }
    if (isUncounted(old, value)) {
      long adjusted = EntryRules.adjusted(value, 1);
      return write(pointer, old, adjusted, preserve) == old ? Errno.OK : Errno.EBUSY;
    }
    int flip = entries.getLevel1(value, pageOwner, work);
    if (EntryReferences.isRefused(flip)) {
      return EntryReferences.refusal(flip);
    }
    long adjusted = EntryRules.adjusted(value ^ flip, 1);
    return finishLevel1(write(pointer, old, adjusted, preserve) == old, old, adjusted, work);
  }

  /** Written: the old entry's references go. Not written, since somebody was faster: the new's. */
  private Errno finishLevel1(boolean written, long old, long made, PagingWork work) {
    entries.putLevel1(written ? old : made, work);
    return written ? Errno.OK : Errno.EBUSY;
  }

  private Errno upper(
      int level,
      @Mfn long table,
      int slot,
      @Maddr long pointer,
      long value,
      boolean preserve,
      PagingWork work) {
    if (!EntryRules.isGuestSlot(level, slot)) {
      return Errno.EINVAL;
    }
    long old = memory.load(pointer, Long.BYTES);
    Errno failure = level > 2 ? Errno.EFAULT : Errno.EBUSY;
    if (EntryRules.isPresent(value)) {
      if ((value & EntryRules.disallowed(level, false)) != 0) {
        return Errno.EINVAL;
      }
      if (isUncounted(old, value)) {
        long adjusted = EntryRules.adjusted(value, level);
        return write(pointer, old, adjusted, preserve) == old ? Errno.OK : failure;
      }
      Errno taken = entries.getUpper(level, value, table, false, false, work);
      if (!taken.isOk()) {
        return taken;
      }
    }
    long adjusted = EntryRules.adjusted(value, level);
    boolean written = write(pointer, old, adjusted, preserve) == old;
    entries.deferUpper(written ? old : adjusted, table, work);
    return written ? Errno.OK : failure;
  }

  private static boolean isUncounted(long old, long value) {
    return ((old ^ value) & ~EntryRules.UNCOUNTED) == 0;
  }

  /** Replaces the entry if only its A and D bits have changed; answers what it was taken for. */
  private long write(@Maddr long pointer, long old, long value, boolean preserve) {
    long expected = old;
    while (true) {
      long wanted = preserve ? value | expected & ACCESSED_DIRTY : value;
      long found = memory.compareExchange(pointer, Long.BYTES, expected, wanted);
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
