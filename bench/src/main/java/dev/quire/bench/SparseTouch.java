// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineFactory;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PageEntry;
import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;

/**
 * 200,000 distinct pages of 4 KiB, uniformly over 1 TiB of memory and of linear addresses: the
 * guest writes to each and reads each back. With pages so far apart nearly every page has a page
 * table of its own, and those lie in the machine's memory too.
 */
final class SparseTouch {
  private static final int PAGES = 200_000;
  private static final long TERABYTE = 1L << 40;
  private static final long TABLES = 16L << 30;
  private static final long USER_DATA = PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.NX;
  private static final int BLOCK = 4096;

  private final Machine machine;
  private final ControlBlock control;
  private final long[] pages;

  private SparseTouch() {
    pages = new SplittableRandom(1).longs(0, TERABYTE >>> 12).distinct().limit(PAGES).toArray();
    MachineSpec spec =
        MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 46))
            .withRam(List.of(new Ram(0, TERABYTE + TABLES)))
            .withTlb(StreamMachine.GEOMETRY);
    machine = Services.only(MachineFactory.class).create(spec);
    long first = TERABYTE >>> 12;
    StreamTables tables =
        new StreamTables(number -> machine.memory().frame(Addresses.mfn(first + number)), TERABYTE);
    long root = tables.newTable();
    for (long page : pages) {
      tables.map(root, page << 12, page << 12 | USER_DATA);
    }
    control = StreamMachine.control(root, 1);
  }

  public static void main(String[] arguments) throws IOException {
    System.out.printf("%,d pages over 1 TiB, written and read back:%n", PAGES);
    Footprint footprint = Footprint.begin();
    SparseTouch touch = new SparseTouch();
    long tables = touch.machine.memory().framesInUse();
    touch.write();
    touch.readBack();
    long frames = touch.machine.memory().framesInUse();
    System.out.printf("  frames in use: %,d of tables, %,d of pages%n", tables, frames - tables);
    footprint.print();
    if (frames - tables != PAGES) {
      throw new IllegalStateException("not every page has its own frame");
    }
  }

  private void write() {
    OperationBlock block = new OperationBlock(BLOCK);
    for (int i = 0; i < pages.length; i++) {
      block.store(
          Access.of(Access.WRITE, true, false), Addresses.gva(pages[i] << 12), 8, ~pages[i]);
      if (block.isFull() || i == pages.length - 1) {
        run(block);
        block.clear();
      }
    }
  }

  private void readBack() {
    OperationBlock block = new OperationBlock(BLOCK);
    for (int from = 0; from < pages.length; from += BLOCK) {
      int count = Math.min(BLOCK, pages.length - from);
      for (int i = 0; i < count; i++) {
        block.load(Access.of(0, true, false), Addresses.gva(pages[from + i] << 12), 8);
      }
      run(block);
      for (int i = 0; i < count; i++) {
        if (block.results()[i] != ~pages[from + i]) {
          throw new IllegalStateException("page " + pages[from + i] + " lost what was written");
        }
      }
      block.clear();
    }
  }

  private void run(OperationBlock block) {
    ExitReason reason = machine.cpu(0).enter(control, block, BLOCK);
    if (reason != ExitReason.DONE) {
      throw new IllegalStateException(reason + ", error code " + control.exitErrorCode());
    }
  }
}
