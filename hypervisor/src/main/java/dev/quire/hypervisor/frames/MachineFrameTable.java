// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameTypeValidator;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import java.util.function.LongConsumer;

/** The frame table of a machine: what its parts do, under one name. */
public final class MachineFrameTable implements FrameTable {
  private static final int PARTIAL_CHILD = 1 << 15;

  private final FrameRecords records;
  private final GeneralReferences references;
  private final Linear linear;
  private final TypeReferences types;

  /** A table in which every frame is nobody's. */
  private MachineFrameTable(
      @Mfn long end, FlushClock clock, TypeFlushes flushes, LongConsumer freed) {
    records = new FrameRecords(end);
    references = new GeneralReferences(records, freed);
    linear = new Linear(records, references);
    types = new TypeReferences(records, references, linear, clock, flushes);
  }

  /**
   * A table for frames that no CPU of the machine uses: to compute with.
   *
   * @param end one past the last frame
   */
  public static FrameTable detached(@Mfn long end) {
    return new MachineFrameTable(end, new FlushClock(0), TypeFlushes.NONE, freed -> {});
  }

  /**
   * The table of a machine.
   *
   * @param end one past the last frame
   * @param clock says which CPUs need no flush
   * @param flushes makes CPUs forget what they hold of a frame
   * @param freed told of each frame when the last reference to it goes
   */
  public static FrameTable of(
      @Mfn long end, FlushClock clock, TypeFlushes flushes, LongConsumer freed) {
    return new MachineFrameTable(end, clock, flushes, freed);
  }

  @Override
  public @Mfn long end() {
    return Addresses.mfn(records.end());
  }

  @Override
  public void validator(int owner, FrameTypeValidator validator) {
    types.validator(owner, validator);
  }

  @Override
  public void assign(@Mfn long mfn, int owner, long flags) {
    references.assign(mfn, owner, flags);
  }

  @Override
  public Errno release(@Mfn long mfn) {
    return references.release(mfn);
  }

  @Override
  public Errno steal(@Mfn long mfn, int owner) {
    return references.steal(mfn, owner);
  }

  @Override
  public void forEachOwned(int owner, LongConsumer action) {
    records.forEachMade(
        mfn -> {
          if (references.owner(Addresses.mfn(mfn)) == owner) {
            action.accept(mfn);
          }
        });
  }

  @Override
  public void declare(@Mfn long mfn, long typeWord, long countWord) {
    records.set(mfn, FrameRecords.TYPE, typeWord);
    records.set(mfn, FrameRecords.COUNT, countWord);
  }

  @Override
  public int owner(@Mfn long mfn) {
    return references.owner(mfn);
  }

  @Override
  public long countWord(@Mfn long mfn) {
    return records.get(mfn, FrameRecords.COUNT);
  }

  @Override
  public long typeWord(@Mfn long mfn) {
    return records.get(mfn, FrameRecords.TYPE);
  }

  @Override
  public boolean get(@Mfn long mfn, int owner) {
    return references.get(mfn, owner);
  }

  @Override
  public int getFromOwner(@Mfn long mfn) {
    return references.getFromOwner(mfn);
  }

  @Override
  public void put(@Mfn long mfn) {
    references.put(mfn);
  }

  @Override
  public Errno getType(@Mfn long mfn, long type, PagingWork work) {
    return types.get(mfn, type, work);
  }

  @Override
  public Errno putType(@Mfn long mfn, @Mfn long parent, boolean partial, PagingWork work) {
    return types.put(mfn, parent, partial, work);
  }

  @Override
  public boolean getLinear(@Mfn long mfn, @Mfn long parent, int owner) {
    return linear.get(mfn, parent, owner);
  }

  @Override
  public boolean lock(@Mfn long mfn) {
    return types.lock(mfn);
  }

  @Override
  public void unlock(@Mfn long mfn) {
    types.unlock(mfn);
  }

  @Override
  public boolean pin(@Mfn long mfn) {
    return types.setFlag(mfn, FrameWords.PINNED, true);
  }

  @Override
  public boolean unpin(@Mfn long mfn) {
    return types.setFlag(mfn, FrameWords.PINNED, false);
  }

  @Override
  public void setNonCoherent(@Mfn long mfn) {
    types.setFlag(mfn, FrameWords.NON_COHERENT, true);
  }

  @Override
  public int validated(@Mfn long mfn) {
    return (int) records.get(mfn, FrameRecords.PROGRESS) & PARTIAL_CHILD - 1;
  }

  @Override
  public boolean hasPartialChild(@Mfn long mfn) {
    return (records.get(mfn, FrameRecords.PROGRESS) & PARTIAL_CHILD) != 0;
  }

  @Override
  public void progress(@Mfn long mfn, int validated, boolean partialChild) {
    long word = linear.keep(mfn) | validated | (partialChild ? PARTIAL_CHILD : 0);
    records.set(mfn, FrameRecords.PROGRESS, word);
  }

  @Override
  public int linear(@Mfn long mfn) {
    return linear.count(mfn);
  }
}
