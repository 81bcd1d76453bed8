// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/** What a PV guest's hypercalls do to its pagetables, one operation at a time. */
final class PvPagetables implements Pagetables {
  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final EntryUpdate updates;
  private final int owner;

  /** The tables of a domain; from now on its frames are validated by the rules of PV guests. */
  PvPagetables(FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner) {
    this(frames, memory, policy, owner, EntryRules.SLOTS);
  }

  /** The same in a small world, where tables have fewer slots. */
  PvPagetables(FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner, int slots) {
    this.frames = frames;
    this.memory = memory;
    this.owner = owner;
    EntryReferences entries = new EntryReferences(frames, policy, owner);
    updates = new EntryUpdate(frames, memory, entries, owner);
    frames.validator(owner, new TableValidator(frames, memory, entries, owner, slots));
  }

  @Override
  public Errno update(
      @Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    return updates.update(pointer, value, preserve, pageOwner, work);
  }

  @Override
  public Errno pin(@Mfn long mfn, int level, PagingWork work) {
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      return Errno.EINVAL;
    }
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.table(level)), work);
    if (!typed.isOk()) {
      if (!work.hasDeferred(mfn)) {
        frames.put(mfn);
      }
      return typed == Errno.EINTR ? Errno.ERESTART : typed;
    }
    if (frames.pin(mfn)) {
      return Errno.OK;
    }
    drop(mfn, level, work);
    return Errno.EINVAL;
  }

  private void drop(@Mfn long mfn, int level, PagingWork work) {
    @Mfn long none = Addresses.mfn(FrameTable.NO_PARENT);
    if (level == 1) {
      frames.putType(mfn, none, false, work);
      frames.put(mfn);
    } else {
      work.defer(mfn, none, false);
    }
  }

  @Override
  public Errno unpin(@Mfn long mfn, PagingWork work) {
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      return Errno.EINVAL;
    }
    boolean pinned = frames.unpin(mfn);
    if (pinned) {
      @Mfn long none = Addresses.mfn(FrameTable.NO_PARENT);
      Errno done = frames.putType(mfn, none, false, work);
      if (done.isOk()) {
        frames.put(mfn);
      } else {
        work.defer(mfn, none, done == Errno.ERESTART);
      }
    }
    frames.put(mfn);
    return pinned ? Errno.OK : Errno.EINVAL;
  }

  @Override
  public Errno clear(@Mfn long mfn, PagingWork work) {
    if (mfn >= frames.end() || !frames.get(mfn, owner)) {
      return Errno.EINVAL;
    }
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
    if (typed.isOk()) {
      Arrays.fill(memory.frame(mfn), 0);
      frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, work);
    }
    frames.put(mfn);
    return typed;
  }
}
