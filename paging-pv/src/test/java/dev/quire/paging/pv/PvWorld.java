// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.PageEntry;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hypervisor.StandardHypervisorFactory;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A few frames of one domain, and what its hypercalls do to them. */
final class PvWorld {
  static final int GUEST = 1;
  static final int OTHER = 2;

  /** The first frame that 32 bits of address do not reach. */
  static final int FOUR_GIB = 1 << 20;

  static final long RO = PageEntry.P | PageEntry.US;
  static final long RW = RO | PageEntry.RW;

  final FrameTable frames;
  final PhysicalMemory memory =
      new X86MachineFactory()
          .create(MachineSpec.bare(CpuProfile.full(CpuProfile.Vendor.AMD, 40)))
          .memory();
  final PvPagetables tables;
  final PagingWork work;

  /** Of a second vCPU. */
  final PagingWork other;

  private final int slots;

  /** Frames 0 to {@code count} - 1 are the domain's; tables have {@code slots} entries. */
  PvWorld(int count, int slots, GuestPolicy policy, BooleanSupplier yields) {
    this(count, slots, policy, yields, EntryMasks.XEN, TableFormat.LONG, detached(count));
  }

  /** The same of a 32-bit guest's. */
  static PvWorld pae(int count, int slots, BooleanSupplier yields) {
    return pae(count, slots, yields, detached(count));
  }

  /** The same with a frame table of one's own. */
  static PvWorld pae(int count, int slots, BooleanSupplier yields, FrameTable frames) {
    return new PvWorld(
        count, slots, GuestPolicy.PLAIN, yields, EntryMasks.XEN, TableFormat.PAE, frames);
  }

  /** The same with masks and a frame table of one's own. */
  PvWorld(
      int count,
      int slots,
      GuestPolicy policy,
      BooleanSupplier yields,
      EntryMasks masks,
      FrameTable frames) {
    this(count, slots, policy, yields, masks, TableFormat.LONG, frames);
  }

  private PvWorld(
      int count,
      int slots,
      GuestPolicy policy,
      BooleanSupplier yields,
      EntryMasks masks,
      TableFormat format,
      FrameTable frames) {
    this.slots = slots;
    this.frames = frames;
    tables = new PvPagetables(frames, memory, policy, GUEST, slots, masks, format, null);
    work = new PagingWork(yields);
    other = new PagingWork(yields);
    for (int mfn = 0; mfn < count; mfn++) {
      frames.assign(Addresses.mfn(mfn), GUEST, FrameWords.ALLOCATED);
    }
  }

  /** A world of whole tables that never yields. */
  static PvWorld of(int count) {
    return new PvWorld(count, EntryRules.SLOTS, GuestPolicy.PLAIN, () -> false);
  }

  static FrameTable detached(int count) {
    return new StandardHypervisorFactory().frameTable(Addresses.mfn(count));
  }

  static long entry(long mfn, long flags) {
    return mfn << Addresses.PAGE_SHIFT | flags;
  }

  /** Writes a quadword as a guest that has the frame mapped writable. */
  void write(long mfn, int slot, long value) {
    memory.store(Addresses.maddr(mfn << 12 | (long) slot << 3), 8, value);
  }

  long read(long mfn, int slot) {
    return memory.load(Addresses.maddr(mfn << 12 | (long) slot << 3), 8);
  }

  Errno update(long mfn, int slot, long value) {
    return tables.update(Addresses.maddr(mfn << 12 | (long) slot << 3), value, false, GUEST, work);
  }

  Errno pin(long mfn, int level) {
    return tables.pin(Addresses.mfn(mfn), level, work);
  }

  Errno unpin(long mfn) {
    return tables.unpin(Addresses.mfn(mfn), work);
  }

  FrameType type(long mfn) {
    return FrameWords.type(frames.typeWord(Addresses.mfn(mfn)));
  }

  long typeCount(long mfn) {
    return FrameWords.typeCount(frames.typeWord(Addresses.mfn(mfn)));
  }

  long count(long mfn) {
    return FrameWords.count(frames.countWord(Addresses.mfn(mfn)));
  }

  /** Makes frames 3, 2, 1, 0 tables of levels 4, 3, 2, 1, and pins the root; others are data. */
  void tree() {
    for (int level = 4; level > 1; level--) {
      write(level - 1, 0, entry(level - 2, RW));
    }
    assertThat(pin(3, 4)).isEqualTo(Errno.OK);
  }

  List<String> audit() {
    Recount recount = new Recount(frames, memory, slots, tables.format());
    for (PagingWork vcpu : List.of(work, other)) {
      vcpu.forEachDeferred(
          (@Mfn long mfn, boolean partial) -> recount.held(mfn, partial ? 0 : 1, 1));
    }
    return recount.audit();
  }
}
