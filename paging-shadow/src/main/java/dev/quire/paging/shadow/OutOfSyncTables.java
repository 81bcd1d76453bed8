// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;

/**
 * Which last-level tables are out of sync: the guest writes them itself, and their shadows stand
 * for what they were when the shadow was last brought up to date. Each vCPU has three slots ({@code
 * oos[]}), each with a snapshot of its table, entry by entry what the shadow was made from, and
 * with the places of two shadow entries that let the table be written ({@code oos_fixup}).
 */
final class OutOfSyncTables implements StaleTables {
  /** Slots of a vCPU ({@code SHADOW_OOS_PAGES}). */
  static final int PER_VCPU = 3;

  /** No slot. */
  static final int NONE = -1;

  private static final int FIXUPS = 2;

  private final PhysicalMemory memory;
  private final long[] frames;
  private final long[] snapshots;
  private final long[] fixups;
  private final int[] nextFixup;
  private final boolean[] mayWrite;

  /** By machine frame: its slot plus one. */
  private final FrameInts slots = new FrameInts();

  private int occupied;

  /**
   * Nothing is out of sync.
   *
   * @param snapshots frames to keep snapshots in, one for each slot; none if nothing ever shall be
   *     out of sync
   */
  OutOfSyncTables(PhysicalMemory memory, long[] snapshots) {
    this.memory = memory;
    this.snapshots = snapshots;
    frames = new long[snapshots.length];
    Arrays.fill(frames, FrameMapper.NONE);
    fixups = new long[snapshots.length * FIXUPS];
    Arrays.fill(fixups, ShadowPages.NO_PARENT);
    nextFixup = new int[snapshots.length];
    mayWrite = new boolean[snapshots.length];
  }

  /** How many slots there are. */
  int size() {
    return frames.length;
  }

  @Override
  public boolean any() {
    return occupied > 0;
  }

  /** The slot of a table that is out of sync; {@link #NONE} if it is not. */
  int slotOf(@Mfn long mfn) {
    return slots.get(mfn) - 1;
  }

  @Override
  public boolean isOutOfSync(@Mfn long mfn) {
    return slots.get(mfn) != 0;
  }

  @Override
  public boolean mayWrite(@Mfn long mfn) {
    int slot = slotOf(mfn);
    return slot != NONE && mayWrite[slot];
  }

  /** The table in a slot, or {@link FrameMapper#NONE}. */
  @Mfn
  long frame(int slot) {
    return Addresses.mfn(frames[slot]);
  }

  /** The first slot of a vCPU that a table belongs in. */
  static int home(int vcpu, @Mfn long mfn) {
    return vcpu * PER_VCPU + (int) Long.remainderUnsigned(mfn, PER_VCPU);
  }

  /** The slot after one, of the same vCPU. */
  static int after(int slot) {
    return slot - slot % PER_VCPU + (slot + 1) % PER_VCPU;
  }

  /** Puts a table, which is in sync still, into a slot that is empty. */
  void occupy(int slot, @Mfn long mfn) {
    frames[slot] = mfn;
    occupied++;
    slots.set(mfn, slot + 1);
    mayWrite[slot] = true;
    nextFixup[slot] = 0;
    Arrays.fill(fixups, slot * FIXUPS, (slot + 1) * FIXUPS, ShadowPages.NO_PARENT);
    long[] table = memory.frameToRead(mfn);
    System.arraycopy(
        table, 0, memory.frame(Addresses.mfn(snapshots[slot])), 0, PhysicalMemory.FRAME_LONGS);
  }

  /** Moves what is in a slot to one that is empty. */
  void move(int from, int to) {
    long snapshot = snapshots[to];
    snapshots[to] = snapshots[from];
    snapshots[from] = snapshot;
    frames[to] = frames[from];
    frames[from] = FrameMapper.NONE;
    mayWrite[to] = mayWrite[from];
    nextFixup[to] = nextFixup[from];
    System.arraycopy(fixups, from * FIXUPS, fixups, to * FIXUPS, FIXUPS);
    slots.set(Addresses.mfn(frames[to]), to + 1);
  }

  @Override
  public void vacate(@Mfn long mfn) {
    int slot = slotOf(mfn);
    if (slot != NONE) {
      frames[slot] = FrameMapper.NONE;
      occupied--;
      slots.set(mfn, 0);
    }
  }

  /** From now on no new mapping may let it be written. */
  void close(int slot) {
    mayWrite[slot] = false;
  }

  /** The place of a shadow entry that lets the table be written, or did. */
  long fixup(int slot, int number) {
    return fixups[slot * FIXUPS + number];
  }

  /** How many such places are known of a slot, at most. */
  static int fixups() {
    return FIXUPS;
  }

  /**
   * Notes such a place.
   *
   * @return the one that is known no longer, or {@link ShadowPages#NO_PARENT}
   */
  long addFixup(int slot, long place) {
    int at = slot * FIXUPS + nextFixup[slot];
    long before = fixups[at];
    fixups[at] = place;
    nextFixup[slot] = (nextFixup[slot] + 1) % FIXUPS;
    return before;
  }

  /**
   * Where a table next differs from what its shadow has. Unit: quadwords.
   *
   * @param from where to begin
   * @return {@link #NONE} if it does not any more
   */
  int nextDifference(int slot, int from) {
    int end = PhysicalMemory.FRAME_LONGS;
    long[] now = memory.frameToRead(frame(slot));
    long[] then = memory.frameToRead(Addresses.mfn(snapshots[slot]));
    int at = Arrays.mismatch(now, from, end, then, from, end);
    return at < 0 ? NONE : from + at;
  }

  @Override
  public long entry(ShadowKind kind, @Mfn long mfn, int index) {
    int bytes = kind.format().entryBytes();
    @Mfn long snapshot = Addresses.mfn(snapshots[slotOf(mfn)]);
    return memory.load(Addresses.mfnToMaddr(snapshot, (long) index * bytes), bytes);
  }

  @Override
  public void entry(ShadowKind kind, @Mfn long mfn, int index, long entry) {
    int slot = slotOf(mfn);
    if (slot != NONE) {
      int bytes = kind.format().entryBytes();
      @Mfn long snapshot = Addresses.mfn(snapshots[slot]);
      memory.store(Addresses.mfnToMaddr(snapshot, (long) index * bytes), bytes, entry);
    }
  }
}
