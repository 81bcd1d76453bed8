// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two CPUs on two threads, with tables and pages in common: no A or D bit is lost, and what a
 * completed shootdown has taken away is used no more.
 */
class SharedTablesTest {
  private static final long FOR_A_WHILE = TimeUnit.MILLISECONDS.toNanos(700);
  private static final int ROUNDS = 200;
  private static final long LINEAR = 0x40000000;
  private static final long ROOT = 0x1000;
  private static final int PAGES = 16;

  private final Machine machine =
      new X86MachineFactory()
          .create(
              MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 36))
                  .withCpus(2)
                  .withTlb(TlbPresets.ALL.get("tiny").geometry()));
  private final PhysicalMemory memory = machine.memory();

  // ---- A and D ----

  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void noAccessedOrDirtyBitIsLost(int levels) throws Exception {
    ControlBlock[] guests = {guest(levels), guest(levels)};
    int bytes = levels == 2 ? 4 : 8;
    long table = map(levels);
    SplittableRandom random = new SplittableRandom(levels);
    for (int round = 0; round < ROUNDS; round++) {
      for (int page = 0; page < PAGES; page++) {
        memory.store(table + (long) page * bytes, bytes, 0x100000 + page * 4096L | 7);
      }
      OperationBlock[] blocks = {accesses(random), accesses(random)};
      List<Callable<ExitReason>> tasks = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        Cpu cpu = machine.cpu(i);
        OperationBlock block = blocks[i];
        ControlBlock guest = guests[i];
        cpu.requestFlush();
        tasks.add(() -> cpu.enter(guest, block, Integer.MAX_VALUE));
      }
      assertThat(CpuThreads.together(tasks)).containsOnly(ExitReason.DONE);
      for (int page = 0; page < PAGES; page++) {
        long entry = memory.load(table + (long) page * bytes, bytes);
        assertThat(entry).isEqualTo(0x100000 + page * 4096L | 7 | expected(page, blocks));
      }
    }
  }

  private static OperationBlock accesses(SplittableRandom random) {
    OperationBlock block = new OperationBlock(PAGES);
    for (int i = 0; i < PAGES / 2; i++) {
      long access = Access.of(random.nextBoolean() ? Access.WRITE : 0, true, false);
      block.probe(access, LINEAR + random.nextInt(PAGES) * 4096L);
    }
    return block;
  }

  private static long expected(int page, OperationBlock... blocks) {
    long bits = 0;
    for (OperationBlock block : blocks) {
      for (int i = 0; i < block.size(); i++) {
        long operation = block.operations()[i];
        if ((operation >>> 12 & 0xff) == page) {
          bits |= (operation & Access.WRITE) != 0 ? 0x60 : 0x20;
        }
      }
    }
    return bits;
  }

  // ---- shootdowns ----

  @Test
  void noStaleTranslationAfterACompletedShootdownOfAPage() throws Exception {
    long table = map(4);
    remapUnderALoad(table, new long[] {0x200000 | 7, 0x201000 | 7});
  }

  @Test
  void noStaleTableAfterACompletedShootdownOfATable() throws Exception {
    map(4);
    long[] tables = {0x300000, 0x301000};
    memory.store(tables[0], 8, 0x200000 | 0x67);
    memory.store(tables[1], 8, 0x201000 | 0x67);
    remapUnderALoad(entryOfTable(), new long[] {tables[0] | 0x27, tables[1] | 0x27});
  }

  private static long entryOfTable() {
    return ROOT + 2 * 4096 + (LINEAR >>> 21 & 511) * 8;
  }

  /**
   * One CPU loads from an address again and again. The other changes the entry that leads there, to
   * and fro; after each shootdown it spoils what the entry had led to, which must not be seen.
   *
   * @param entries the two values of the entry
   */
  private void remapUnderALoad(long at, long[] entries) throws Exception {
    AtomicBoolean stop = new AtomicBoolean();
    memory.store(0x200000, 8, 1);
    memory.store(0x201000, 8, 1);
    memory.store(at, 8, entries[0]);
    Callable<ExitReason> reader =
        () -> CpuThreads.loadUntil(stop, machine.cpu(0), guest(4), LINEAR);
    Callable<ExitReason> changer =
        () -> {
          try {
            changeForAWhile(at, entries);
          } finally {
            stop.set(true);
          }
          return ExitReason.DONE;
        };
    assertThat(CpuThreads.together(List.of(reader, changer))).containsOnly(ExitReason.DONE);
  }

  private void changeForAWhile(long at, long[] entries) {
    Cpu other = machine.cpu(0);
    long end = System.nanoTime() + FOR_A_WHILE;
    for (int now = 1; System.nanoTime() < end; now ^= 1) {
      memory.store(0x200000 + now * 4096L, 8, 1); // good again
      memory.store(at, 8, entries[now]);
      long ticket = other.requestFlush();
      while (!other.hasFlushed(ticket)) {
        Thread.onSpinWait();
      }
      memory.store(0x200000 + (now ^ 1) * 4096L, 8, 666);
    }
  }

  // ---- the machine ----

  private static ControlBlock guest(int levels) {
    ControlBlock guest = new ControlBlock();
    guest.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    guest.registers().cr3 = ROOT;
    guest.registers().cr4 = levels == 2 ? 0 : Cr4.PAE;
    guest.registers().efer = levels == 2 ? 0 : Efer.LME | Efer.LMA;
    return guest;
  }

  /** Tables for the pages from {@link #LINEAR} on; answers the last of them. */
  private long map(int levels) {
    long table = ROOT;
    int bytes = levels == 2 ? 4 : 8;
    for (int level = levels; level > 1; level--) {
      int shift = levels == 2 ? 22 : 12 + 9 * (level - 1);
      long index = LINEAR >>> shift & (levels == 2 ? 1023 : 511);
      memory.store(table + index * bytes, bytes, table + 4096 | 0x27);
      table += 4096;
    }
    return table;
  }
}
