// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.EptEntry;
import dev.quire.hw.reference.Shape;
import org.jspecify.annotations.Nullable;

/**
 * A guest with tables of its own in guest-physical memory, and nested tables that map what it uses,
 * page by page, to machine memory further up.
 */
final class NestedGuest {
  /** Where guest-physical address 0 lies in the machine. */
  static final long OFFSET = 0x10_0000_0000L;

  static final long EPT_ALL = EptEntry.RIGHTS;

  /** A leaf with every right; the memory type is write back. */
  static final long EPT_LEAF = EPT_ALL | (long) EptEntry.WB << EptEntry.TYPE_SHIFT;

  static final long NPT_ALL = Tables.P | Tables.RW | Tables.US;

  private static final long NESTED_ROOT = 0x8_0000_0000L;
  private static final long GUEST_ROOT = 0x100000;

  final TestCpu cpu;
  final ControlBlock control = new ControlBlock();
  final OperationBlock block = new OperationBlock(16);
  final Tables guest;
  final Tables nested;
  private final boolean ept;
  private final Shape shape;

  /**
   * A guest.
   *
   * @param shape of its tables
   * @param levels of the nested tables
   */
  NestedGuest(
      CpuProfile profile,
      @Nullable TlbGeometry tlb,
      Shape shape,
      NestedPaging.Format format,
      int levels) {
    MachineSpec spec = MachineSpec.bare(profile);
    cpu = new TestCpu(tlb == null ? spec : spec.withTlb(tlb));
    this.shape = shape;
    ept = format == NestedPaging.Format.EPT;
    guest = new Tables(cpu.memory, shape, GUEST_ROOT, Tables.PLAIN & ~Tables.D, at -> at + OFFSET);
    Shape nestedShape = levels == 5 ? Shape.FIVE_LEVEL : Shape.FOUR_LEVEL;
    nested =
        new Tables(
            cpu.memory,
            nestedShape,
            NESTED_ROOT,
            ept ? EPT_ALL | EptEntry.USER_EXECUTE : NPT_ALL,
            at -> at);
    NestedPaging paging = control.nested();
    paging.format = format;
    paging.levels = levels;
    paging.root = NESTED_ROOT;
    paging.noExecute = true;
    control.tag(1);
    Registers registers = control.registers();
    registers.cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    registers.cr3 = GUEST_ROOT;
    registers.cr4 = shape.entryBytes() == 4 ? Cr4.PSE : Cr4.PAE;
    if (shape.isLong()) {
      registers.efer = Efer.LME | Efer.LMA | Efer.NXE;
      registers.cr4 |= shape.levels() == 5 ? Cr4.LA57 : 0;
    }
  }

  /** Maps a linear page in the guest's tables, and everything that takes in the nested ones. */
  NestedGuest map(long linear, int level, long guestPhysical, long flags) {
    guest.map(linear, level, guestPhysical, flags);
    back(guestPhysical);
    backTables();
    if (shape.levels() == 3) {
      for (int i = 0; i < 4; i++) {
        control.registers().pdptes[i] = cpu.memory.load(GUEST_ROOT + OFFSET + 8 * i, 8);
      }
    }
    return this;
  }

  /** Maps every table that the guest has, where the nested tables do not map it yet. */
  void backTables() {
    for (long table = guest.root(); table < guest.end(); table += 4096) {
      if (nested.get(table, 1) == 0) {
        back(table);
      }
    }
  }

  /** Maps a guest-physical page. */
  void back(long guestPhysical) {
    nest(guestPhysical, 1, ept ? EPT_LEAF : Tables.PLAIN & ~Tables.A & ~Tables.D);
  }

  /** Writes a nested entry that maps a page, with these flags. */
  void nest(long guestPhysical, int level, long flags) {
    long size = 1L << 12 + 9 * (level - 1);
    nested.map(guestPhysical, level, (guestPhysical & -size) + OFFSET, flags);
  }

  /** One access. */
  ExitReason access(long access, long linear) {
    block.clear();
    block.probe(access, linear);
    return cpu.cpu.enter(control, block, Integer.MAX_VALUE);
  }

  /** Where the last access arrived, in guest-physical terms. */
  long reached() {
    return block.reached()[0] - OFFSET;
  }

  /** Sets A and D in every entry of both dimensions by an access, and drops what is cached. */
  void settle(long access, long linear) {
    access(access, linear);
    cpu.cpu.flush();
    cpu.counters.reset();
  }
}
