// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A guest of 8 MiB in one mode: two address spaces with tables in its own memory, a dozen of pages
 * to play with, and a window on its tables.
 *
 * <pre>
 *   frames      1..95  tables        96..111  data       1024..2047  large pages
 *   linear   private slots   shared slots   large slots   window on frames 0..127
 * </pre>
 */
final class Guest {
  /** RAM. Unit: frames. */
  static final int FRAMES = 2048;

  /** Frames below this one are used 4 KiB at a time, and are what the window shows. */
  static final int SMALL_FRAMES = 128;

  /** How many data frames there are. */
  static final int DATA_FRAMES = 16;

  /** How many address spaces there are. */
  static final int ROOTS = 2;

  /** A leaf without restrictions. */
  static final long LEAF = PageEntry.P | PageEntry.RW | PageEntry.US;

  private static final int FIRST_TABLE = 1;
  private static final int FIRST_DATA = 96;
  private static final int FIRST_LARGE = 1024;
  private static final int PRIVATE_SLOTS = 8;
  private static final int SHARED_SLOTS = 3;
  private static final long PRIVATE = 0x0800_0000L;
  private static final long SHARED = 0x0a00_0000L;
  private static final long SHARED_HIGH = 0xffff_8000_0000_0000L;
  private static final long LARGE = 0x0c00_0000L;
  private static final long WINDOW = 0x1000_0000L;

  private final Domain domain;
  private final GuestMode mode;
  private final @Nullable GuestTables tables;
  private final List<Slot> slots = new ArrayList<>();
  private final @Gpa long[] roots = new @Gpa long[ROOTS];

  /** Builds the tables; the vCPUs still are as they were. */
  Guest(Domain domain, GuestMode mode) {
    this.domain = domain;
    this.mode = mode;
    PagingFormat format = mode.format();
    if (format == null) {
      tables = null;
      for (int i = 0; i < PRIVATE_SLOTS; i++) {
        slots.add(new Slot(Addresses.gva(data(i)), 1, true));
      }
      return;
    }
    GuestTables built =
        new GuestTables(domain, format, Addresses.gfn(FIRST_TABLE), Addresses.gfn(FIRST_DATA));
    tables = built;
    addSlots(PRIVATE_SLOTS, PRIVATE, 1, false);
    addSlots(SHARED_SLOTS, format.isLongMode() ? SHARED_HIGH : SHARED, 1, true);
    addSlots(2, LARGE, 2, false);
    for (int i = 0; i < ROOTS; i++) {
      roots[i] = built.newRoot();
      buildSpace(built, i);
    }
  }

  private void addSlots(int count, long first, int level, boolean shared) {
    long size = level == 1 ? Addresses.PAGE_SIZE : 0x40_0000;
    for (int i = 0; i < count; i++) {
      slots.add(new Slot(Addresses.gva(first + i * size), level, shared));
    }
  }

  private void buildSpace(GuestTables built, int space) {
    for (int i = 0; i < slots.size(); i++) {
      Slot slot = slots.get(i);
      if (slot.isShared() && space > 0) {
        @Gpa long first = built.entry(roots[0], slot.linear(), 2);
        built.set(roots[space], slot.linear(), 2, built.read(first));
      } else {
        long entry = leaf(slot, frame(slot, i + space), LEAF);
        built.set(roots[space], slot.linear(), slot.level(), entry);
      }
    }
    for (int i = 0; i < SMALL_FRAMES; i++) {
      long entry = (long) i << Addresses.PAGE_SHIFT | PageEntry.P | PageEntry.RW;
      built.set(roots[space], Addresses.gva(WINDOW + i * Addresses.PAGE_SIZE), 1, entry);
    }
  }

  /** Makes room for tables of another mode. */
  static void clearTables(Domain domain) {
    for (int frame = FIRST_TABLE; frame < FIRST_DATA; frame++) {
      domain.deviceStoreFrame(Addresses.gfn(frame), new long[PhysicalMemory.FRAME_LONGS]);
    }
  }

  /** Brings a vCPU from reset into the guest's mode, in the first address space. */
  void boot(int vcpu) {
    RunResult result = run(vcpu, block -> mode.enter(block, roots[0]));
    assertEquals(RunResult.DONE, result, () -> "boot of vCPU " + vcpu + " into " + mode);
  }

  /** Runs a block of a few operations. */
  RunResult run(int vcpu, Consumer<OperationBlock> program) {
    OperationBlock block = new OperationBlock(64);
    program.accept(block);
    return domain.vcpu(vcpu).run(block);
  }

  Domain domain() {
    return domain;
  }

  GuestMode mode() {
    return mode;
  }

  Vcpu vcpu(int number) {
    return domain.vcpu(number);
  }

  /** The pages that can be accessed. */
  List<Slot> slots() {
    return slots;
  }

  /** What CR3 is loaded with for an address space, less the PCID. */
  @Gpa
  long root(int space) {
    return roots[space];
  }

  /** The tables; there are some. */
  GuestTables tables() {
    GuestTables now = tables;
    if (now == null) {
      throw new IllegalStateException("a guest without paging has no tables");
    }
    return now;
  }

  /** Guest-physical address of a data frame, by any number. */
  @Gpa
  long data(int number) {
    return Addresses.gfnToGpa(dataFrame(number));
  }

  /** A data frame, by any number. */
  @Gfn
  long dataFrame(int number) {
    return Addresses.gfn(FIRST_DATA + Math.floorMod(number, DATA_FRAMES));
  }

  /** Guest-physical address of memory for a large page, by any number. */
  @Gpa
  long large(int number) {
    long size = tables().format().entryBytes() == 4 ? 0x40_0000 : 0x20_0000;
    long base = (long) FIRST_LARGE << Addresses.PAGE_SHIFT;
    return Addresses.gpa(base + (number * size & 0x3f_ffff));
  }

  /** The entry that maps a slot to a frame. */
  long leaf(Slot slot, long frame, long flags) {
    return frame | flags | (slot.level() == 1 ? 0 : PageEntry.PS);
  }

  /** Memory that a slot can be mapped to, by any number. */
  @Gpa
  long frame(Slot slot, int number) {
    return slot.level() == 1 ? data(number) : large(number);
  }

  /** Maps a slot to its memory of a number, from outside; with no rights at all, unmaps it. */
  void set(Slot slot, int space, int number, long flags) {
    tables().write(entry(slot, space), flags == 0 ? 0 : leaf(slot, frame(slot, number), flags));
  }

  /** Where the entry that maps a slot lies. */
  @Gpa
  long entry(Slot slot, int space) {
    return tables().entry(roots[space], slot.linear(), slot.level());
  }

  /** The linear address by which the guest itself reaches one of its small frames. */
  @Gva
  long window(@Gpa long address) {
    return Addresses.gva(mode.isPaged() ? WINDOW + address : address);
  }
}
