// SPDX-License-Identifier: Apache-2.0

package dev.quire.paging.stress;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.frames.FlushClock;
import dev.quire.hypervisor.frames.MachineFrameTable;
import dev.quire.hypervisor.frames.TypeFlushes;
import dev.quire.paging.pv.PvInterface;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/** Frames of a PV guest, some for each state of a test; a state gives them back at its end. */
final class TypedFrames {
  static final long WRITABLE = FrameWords.of(FrameType.WRITABLE);
  static final long ENTRY = 0x27; // present, writable, user, accessed
  private static final int OWNER = 1;
  private static final int FRAMES = 1 << 16;
  private static final long NONE = FrameTable.NO_PARENT;

  final FrameTable frames;
  final Pagetables tables;
  private final PhysicalMemory memory =
      new X86MachineFactory()
          .create(MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.AMD, 40)))
          .memory();
  private final AtomicInteger next = new AtomicInteger();
  private final int perState;

  TypedFrames(int perState, TypeFlushes flushes) {
    this.perState = perState;
    frames = MachineFrameTable.of(Addresses.mfn(FRAMES), new FlushClock(1), flushes, freed -> {});
    tables = new PvInterface().pagetables(frames, memory, GuestPolicy.PLAIN, OWNER);
  }

  /** The first of the frames of a new state: untouched, the guest's. */
  long take() {
    int states = FRAMES / perState;
    long first = (long) Math.floorMod(next.getAndIncrement(), states) * perState;
    for (long mfn = first; mfn < first + perState; mfn++) {
      frames.assign(Addresses.mfn(mfn), OWNER, FrameWords.ALLOCATED);
    }
    return first;
  }

  /** Ends a state whose frames nobody uses any more. */
  void giveBack(long first) {
    for (long mfn = first; mfn < first + perState; mfn++) {
      if (memory.isHome(Addresses.mfn(mfn))) {
        Arrays.fill(memory.frame(Addresses.mfn(mfn)), 0);
      }
      frames.release(Addresses.mfn(mfn));
    }
  }

  void write(long table, int slot, long target) {
    long at = table << 12 | (long) slot << 3;
    memory.store(Addresses.maddr(at), Long.BYTES, target << 12 | ENTRY);
  }

  static PagingWork patient() {
    return new PagingWork(() -> false);
  }

  boolean pin(long mfn, int level, PagingWork work) {
    return tables.pin(Addresses.mfn(mfn), level, work).isOk();
  }

  boolean unpin(long mfn) {
    PagingWork work = patient();
    boolean done = tables.unpin(Addresses.mfn(mfn), work).isOk();
    work.finish(frames);
    return done;
  }

  /** A writable mapping comes. */
  boolean map(long mfn) {
    if (!frames.get(Addresses.mfn(mfn), OWNER)) {
      return false;
    }
    Errno typed = frames.getType(Addresses.mfn(mfn), WRITABLE, patient());
    if (!typed.isOk()) {
      frames.put(Addresses.mfn(mfn));
    }
    return typed.isOk();
  }

  /** A writable mapping goes. */
  void unmap(long mfn) {
    frames.putType(Addresses.mfn(mfn), Addresses.mfn(NONE), false, patient());
    frames.put(Addresses.mfn(mfn));
  }

  int typeCount(long mfn) {
    return (int) FrameWords.typeCount(frames.typeWord(Addresses.mfn(mfn)));
  }

  int count(long mfn) {
    return (int) FrameWords.count(frames.countWord(Addresses.mfn(mfn)));
  }
}
