// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.x86.PageEntry;

/**
 * The references that one present entry stands for ({@code get_page_from_l1e} to {@code l4e} and
 * their counterparts).
 */
final class EntryReferences {
  /** A frame number with all bits set: what a guest writes for "none". */
  private static final long NO_FRAME = PageEntry.FRAME >>> 12;

  private final FrameTable frames;
  private final GuestPolicy policy;
  private final int owner;
  private final EntryMasks masks;
  private final TableFormat format;

  EntryReferences(
      FrameTable frames, GuestPolicy policy, int owner, EntryMasks masks, TableFormat format) {
    this.format = format;
    this.frames = frames;
    this.policy = policy;
    this.owner = owner;
    this.masks = masks;
  }

  EntryMasks masks() {
    return masks;
  }

  TableFormat format() {
    return format;
  }

  /** Bits that a present entry must not have. */
  long disallowed(int level) {
    return format.disallowed(level, masks, policy.controlsMemoryTypes());
  }

  GuestPolicy policy() {
    return policy;
  }

  // ---- level 1 ----

  /**
   * Takes what a present level-1 entry stands for.
   *
   * @param pageOwner whose frame it is said to map: the guest itself, or the domain it acts for
   * @return bits of the entry to be turned round, or {@link #refusal} of the reason
   */
  int getLevel1(long entry, int pageOwner, PagingWork work) {
    if ((entry & disallowed(1)) != 0) {
      work.because(PvRule.FLAGS);
      return refused(Errno.EINVAL);
    }
    @Mfn long mfn = EntryRules.target(entry);
    if (mfn >= frames.end()) {
      return device(entry, mfn, work);
    }
    int actual = frames.getFromOwner(mfn);
    if (actual == FrameTable.DOM_IO) {
      frames.put(mfn); // device memory is not counted
      return device(entry, mfn, work);
    }
    if (actual == FrameTable.NOBODY) {
      work.because(PvRule.NOT_THE_DOMAINS_FRAME);
      return refused(Errno.EBUSY);
    }
    Errno result = counted(entry, mfn, actual, pageOwner, work);
    if (!result.isOk()) {
      frames.put(mfn);
      return refused(result);
    }
    return 0;
  }

  private int device(long entry, @Mfn long mfn, PagingWork work) {
    if (!policy.mayMapDevice(mfn)) {
      work.because(PvRule.DEVICE);
      return refused(mfn == NO_FRAME ? Errno.EINVAL : Errno.EPERM);
    }
    boolean readOnly = EntryRules.isWritable(entry) && policy.isReadOnlyDevice(mfn);
    long type = entry & EntryRules.MEMORY_TYPE;
    long cached =
        type == 0
            ? PageEntry.PWT | PageEntry.PCD
            : (type & (PageEntry.PWT | PageEntry.PCD)) == PageEntry.PWT
                ? PageEntry.PCD | type & EntryRules.PAT
                : 0;
    return (int) (cached | (readOnly ? PageEntry.RW : 0));
  }

  private Errno counted(long entry, @Mfn long mfn, int actual, int pageOwner, PagingWork work) {
    boolean writable = EntryRules.isWritable(entry);
    if (actual == FrameTable.DOM_COW) {
      if (writable) {
        work.because(PvRule.COPY_ON_WRITE);
        return Errno.EBUSY; // to be unshared first
      }
    } else if (actual != pageOwner && (pageOwner == owner || !policy.isPrivilegedOver(actual))) {
      work.because(PvRule.FOREIGN_FRAME);
      return Errno.EBUSY;
    }
    boolean counts = writable && countsAsWritable(actual);
    if (counts) {
      Errno typed = frames.getType(mfn, FrameWords.of(FrameType.WRITABLE), work);
      if (!typed.isOk()) {
        work.because(PvRule.TYPE_IN_USE);
        return Errno.EBUSY;
      }
    }
    long type = entry & EntryRules.MEMORY_TYPE;
    boolean special = (frames.countWord(mfn) & (FrameWords.XEN_HEAP | FrameWords.EXTRA)) != 0;
    if (type != 0 && special) {
      work.because(PvRule.MEMORY_TYPE);
      if (counts) {
        frames.putType(mfn, noParent(), false, work);
      }
      return Errno.EACCES;
    }
    if (writable && type == EntryRules.WRITE_COMBINING && !policy.snoopsItself()) {
      frames.setNonCoherent(mfn);
    }
    return Errno.OK;
  }

  /** Writable mappings of a translated domain's frames by others are that domain's own affair. */
  private boolean countsAsWritable(int actual) {
    return actual == owner || !policy.isExternal(actual);
  }

  /** Gives back what a level-1 entry stands for. */
  void putLevel1(long entry, PagingWork work) {
    @Mfn long mfn = EntryRules.target(entry);
    if (!EntryRules.isPresent(entry)
        || mfn >= frames.end()
        || frames.owner(mfn) == FrameTable.DOM_IO) {
      return;
    }
    if (EntryRules.isWritable(entry) && countsAsWritable(frames.owner(mfn))) {
      frames.putType(mfn, noParent(), false, work);
    }
    frames.put(mfn);
  }

  // ---- levels 2 to 4 ----

  /**
   * Takes what a present entry of level 2 to 4 stands for.
   *
   * @param slot of it in its table
   * @param table the table that it is in
   * @param partial the entry holds a general reference and a partial table already
   * @param keep whether the entry holds on to a table that becomes partial now; otherwise the
   *     caller asks again from the beginning
   */
  Errno getUpper(
      int level,
      int slot,
      long entry,
      @Mfn long table,
      boolean partial,
      boolean keep,
      PagingWork work) {
    if ((entry & disallowed(level)) != 0) {
      work.because(PvRule.FLAGS);
      return Errno.EINVAL;
    }
    @Mfn long mfn = EntryRules.target(entry);
    long type = format.childType(level, slot);
    Errno result = getFrameAndType(mfn, type, partial, keep, work);
    boolean mayBeLinear = format == TableFormat.LONG || level < format.top(); // XSA-185
    return result == Errno.EINVAL
            && mayBeLinear
            && mfn < frames.end()
            && isLinear(entry, mfn, table, work)
        ? Errno.OK
        : result;
  }

  private boolean isLinear(long entry, @Mfn long mfn, @Mfn long table, PagingWork work) {
    long difference = frames.typeWord(table) ^ frames.typeWord(mfn);
    if (mfn != table && (difference & (FrameWords.TYPE | FrameWords.PAE_XEN_L2)) != 0) {
      return false;
    }
    boolean writable = EntryRules.isWritable(entry);
    boolean taken =
        policy.allowsLinearTables()
            && !writable
            && (mfn == table || frames.getLinear(mfn, table, owner));
    work.forgetReason();
    if (!taken) {
      work.because(writable ? PvRule.LINEAR_WRITABLE : PvRule.LINEAR_CHAIN);
    }
    return taken;
  }

  /**
   * Takes a general and a type reference ({@code get_page_and_type_from_mfn}).
   *
   * @param partial the caller holds a general reference and a partial table already
   * @param keep whether it keeps hold of a table that becomes partial now
   */
  Errno getFrameAndType(@Mfn long mfn, long type, boolean partial, boolean keep, PagingWork work) {
    if (!partial && (mfn >= frames.end() || !frames.get(mfn, owner))) {
      work.because(PvRule.NOT_THE_DOMAINS_FRAME);
      return Errno.EINVAL;
    }
    Errno result = frames.getType(mfn, type, work);
    if (result == Errno.EINVAL) {
      work.because(PvRule.TYPE_IN_USE);
    }
    boolean kept = result.isOk() || partial || keep && result == Errno.ERESTART;
    if (!kept && !work.hasDeferred(mfn)) {
      frames.put(mfn);
    }
    return result;
  }

  /** Gives back what an entry of level 2 to 4 stands for. */
  Errno putUpper(long entry, @Mfn long table, boolean partial, PagingWork work) {
    @Mfn long mfn = EntryRules.target(entry);
    if (!EntryRules.isPresent(entry) || mfn == table) {
      return Errno.OK;
    }
    Errno result = frames.putType(mfn, table, partial, work);
    if (result.isOk()) {
      frames.put(mfn);
    }
    return result;
  }

  /** The same, later. */
  void deferUpper(long entry, @Mfn long table, PagingWork work) {
    @Mfn long mfn = EntryRules.target(entry);
    if (EntryRules.isPresent(entry) && mfn != table) {
      work.defer(mfn, table, false);
    }
  }

  private static @Mfn long noParent() {
    return Addresses.mfn(FrameTable.NO_PARENT);
  }

  // ---- results of level 1 ----

  private static int refused(Errno why) {
    return -why.ordinal();
  }

  static boolean isRefused(int result) {
    return result < 0;
  }

  static Errno refusal(int result) {
    return ERRORS[-result];
  }

  private static final Errno[] ERRORS = Errno.values();
}
