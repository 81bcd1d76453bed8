// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.PhysicalMemory;
import org.jspecify.annotations.Nullable;

/** What a PV guest's hypercalls do to its pagetables, one operation at a time. */
final class PvPagetables implements Pagetables {
  private static final long[] ZEROS = new long[PhysicalMemory.FRAME_LONGS];

  private final FrameTable frames;
  private final PhysicalMemory memory;
  private final GuestWrites writes;
  private final EntryReferences entries;
  private final EntryUpdate updates;
  private final TableValidator validator;
  private final int owner;

  /** The tables of a domain; from now on its frames are validated by the rules of PV guests. */
  PvPagetables(FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner) {
    this(frames, memory, policy, owner, EntryRules.SLOTS, EntryMasks.XEN, TableFormat.LONG, null);
  }

  /**
   * The same with tables of fewer slots, or by other masks: in small worlds and tests of both.
   *
   * @param host of the domain that has them; null if none runs
   */
  PvPagetables(
      FrameTable frames,
      PhysicalMemory memory,
      GuestPolicy policy,
      int owner,
      int slots,
      EntryMasks masks,
      TableFormat format,
      @Nullable DomainHost host) {
    this.frames = frames;
    this.memory = memory;
    this.owner = owner;
    entries = new EntryReferences(frames, policy, owner, masks, format);
    writes = new GuestWrites(memory, host);
    TerminalFaults faults = new TerminalFaults(frames, host);
    updates = new EntryUpdate(frames, memory, writes, entries, faults, owner, slots);
    validator = new TableValidator(frames, memory, writes, entries, faults, owner, slots);
    frames.validator(owner, validator);
  }

  @Override
  public Errno update(
      @Maddr long pointer, long value, boolean preserve, int pageOwner, PagingWork work) {
    return updates.update(pointer, value, preserve, pageOwner, work);
  }

  @Override
  public Errno pin(@Mfn long mfn, int level, PagingWork work) {
    if (level > format().top()) {
      return Errno.OK; // a 32-bit guest has no such tables, and nothing happens
    }
    if (!get(mfn, work)) {
      return Errno.EINVAL;
    }
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.table(level)), work);
    if (!typed.isOk()) {
      work.because(PvRule.TYPE_IN_USE);
      if (!work.hasDeferred(mfn)) {
        frames.put(mfn);
      }
      return typed == Errno.EINTR ? Errno.ERESTART : typed;
    }
    if (frames.pin(mfn)) {
      return Errno.OK;
    }
    work.because(PvRule.PINNED);
    drop(mfn, level, work);
    return Errno.EINVAL;
  }

  private boolean get(@Mfn long mfn, PagingWork work) {
    boolean got = mfn < frames.end() && frames.get(mfn, owner);
    if (!got) {
      work.because(PvRule.NOT_THE_DOMAINS_FRAME);
    }
    return got;
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
    if (!get(mfn, work)) {
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
    } else {
      work.because(PvRule.NOT_PINNED);
    }
    frames.put(mfn);
    return pinned ? Errno.OK : Errno.EINVAL;
  }

  @Override
  public Errno clear(@Mfn long mfn, PagingWork work) {
    return fill(mfn, work, ZEROS);
  }

  /**
   * Copies a frame over another ({@code MMUEXT_COPY_PAGE}).
   *
   * @param to the frame that is written
   */
  Errno copy(@Mfn long to, @Mfn long from, PagingWork work) {
    if (!get(from, work)) {
      return Errno.EINVAL;
    }
    Errno result = fill(to, work, memory.frameToRead(from));
    frames.put(from);
    return result;
  }

  /** Gives a frame that is nothing but writable another content. */
  private Errno fill(@Mfn long mfn, PagingWork work, long[] content) {
    if (!get(mfn, work)) {
      return Errno.EINVAL;
    }
    Errno typed = frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
    if (typed.isOk()) {
      writes.fill(mfn, content);
      frames.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, work);
    } else {
      work.because(PvRule.TYPE_IN_USE);
    }
    frames.put(mfn);
    return typed;
  }

  /** What the guest's tables look like. */
  TableFormat format() {
    return entries.format();
  }

  /** Whether a PAE guest's roots may lie above what 32 bits of CR3 reach. */
  void rootsAnywhere(boolean may) {
    validator.rootsAnywhere(may);
  }

  /** The references that entries stand for. */
  EntryReferences entries() {
    return entries;
  }

  /** Fills the hypervisor's slots of a level-4 table that nobody validates. */
  void installHypervisorSlots(@Mfn long mfn) {
    validator.installXenSlots(mfn);
  }

  /** What writes the guest's frames on its behalf. */
  GuestWrites writes() {
    return writes;
  }

  /** Changes of single entries. */
  EntryUpdate updates() {
    return updates;
  }
}
