// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.machine.X86MachineFactory;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Two CPUs with caches and one set of tables for both, in which each state of a test has a page of
 * its own: a machine for each state would leave no time for races. CPU n belongs to actor n, for
 * one thread at a time may enter a CPU.
 *
 * <p>Linear page n is mapped by entry n of the last level, wherever that is; its data word lies at
 * an offset of its own too.
 */
final class SharedPages {
  static final long PRESENT = 1;
  static final long WRITABLE = 2;
  static final long USER = 4;
  static final long ACCESSED = 1L << 5;
  static final long DIRTY = 1L << 6;
  static final long PLAIN = PRESENT | WRITABLE | USER;

  private static final int PAGES = 1 << 19;
  private static final long ROOT = 0x1000;
  private static final long LAST_TABLES = 0x1000000;

  /** Where data begins: two frames for each page of the first 512 pages, and so on. */
  private static final long DATA = 0x40000000L;

  private static final TlbGeometry TINY =
      new TlbGeometry(
          List.of(new Tlb(new Array(2, 2), 7)),
          List.of(new Tlb(new Array(2, 2), 7)),
          List.of(new Tlb(new Array(4, 2), 3)),
          List.of(new Array(1, 2), new Array(1, 2), new Array(1, 2), Array.NONE),
          Replacement.LRU);

  private final Machine machine =
      new X86MachineFactory()
          .create(
              MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
                  .withRam(List.of(new Ram(0, 4L << 30)))
                  .withCpus(2)
                  .withTlb(TINY));
  private final PhysicalMemory memory = machine.memory();
  private final int bytes;
  private final ControlBlock[] guests = new ControlBlock[2];
  private final OperationBlock[] blocks = {new OperationBlock(8), new OperationBlock(8)};
  private final AtomicInteger taken = new AtomicInteger();

  /**
   * The two CPUs with tables of a format.
   *
   * @param levels 2 or 4
   */
  SharedPages(int levels) {
    bytes = levels == 2 ? 4 : 8;
    int perTable = 4096 / bytes;
    long below = LAST_TABLES;
    int count = PAGES / perTable;
    long next = ROOT + 4096;
    for (int level = 2; level <= levels; level++) {
      long table = level == levels ? ROOT : next;
      for (int i = 0; i < count; i++) {
        memory.store(table + (long) i * bytes, bytes, below + i * 4096L | PLAIN);
      }
      int tables = (count + perTable - 1) / perTable;
      next = table == ROOT ? next : table + tables * 4096L;
      below = table;
      count = tables;
    }
    for (int i = 0; i < guests.length; i++) {
      guests[i] = guest(levels);
    }
  }

  private static ControlBlock guest(int levels) {
    ControlBlock guest = new ControlBlock();
    guest.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    guest.registers().cr3 = ROOT;
    guest.registers().cr4 = levels == 2 ? 0 : Cr4.PAE;
    guest.registers().efer = levels == 2 ? 0 : Efer.LME | Efer.LMA;
    return guest;
  }

  /** So many neighbouring pages for one state, the number of the first; after long, used again. */
  int take(int pages) {
    return taken.getAndAdd(pages) & PAGES - 1;
  }

  Cpu cpu(int number) {
    return machine.cpu(number);
  }

  long linear(int page) {
    return page * 4096L + wordOffset(page);
  }

  private static long wordOffset(int page) {
    return (page & 511) * 8L;
  }

  long entry(int page) {
    return memory.load(entryAddress(page), bytes);
  }

  void setEntry(int page, long entry) {
    memory.store(entryAddress(page), bytes, entry);
  }

  /** Software changes an entry by compare-and-exchange; answers what was there. */
  long change(int page, long clear, long set) {
    long before;
    do {
      before = entry(page);
    } while (memory.compareExchange(entryAddress(page), bytes, before, before & ~clear | set)
        != before);
    return before;
  }

  private long entryAddress(int page) {
    return LAST_TABLES + (long) page * bytes;
  }

  /** One of the two frames that a page may be mapped to, as an entry has it. */
  long frame(int page, int which) {
    return DATA + (page >>> 9) * 8192L + which * 4096L;
  }

  long word(int page, int which) {
    return memory.load(frame(page, which) + wordOffset(page), 8);
  }

  void setWord(int page, int which, long value) {
    memory.store(frame(page, which) + wordOffset(page), 8, value);
  }

  /** A CPU without any translation probes a page; answers whether it arrived. */
  boolean probeCold(int cpu, int page, long kind) {
    machine.cpu(cpu).requestFlush();
    OperationBlock block = blocks[cpu];
    block.clear();
    block.probe(Access.of(kind, true, false), linear(page));
    return run(cpu, block);
  }

  /** A CPU stores to a page, with what translation it has. */
  boolean store(int cpu, int page, long value) {
    OperationBlock block = blocks[cpu];
    block.clear();
    for (int i = 0; i < 4; i++) {
      block.store(Access.of(Access.WRITE, true, false), linear(page), 8, value);
    }
    return run(cpu, block);
  }

  private boolean run(int cpu, OperationBlock block) {
    return machine.cpu(cpu).enter(guests[cpu], block, Integer.MAX_VALUE) == ExitReason.DONE;
  }
}
