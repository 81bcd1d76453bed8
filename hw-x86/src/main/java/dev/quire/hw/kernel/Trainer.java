// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hw.memory.SparseMemory;

/**
 * Runs a new loop on made-up accesses before it meets real ones. What a method is compiled for is
 * decided by its first diet: a loop that begins with misses, or with pages whose A bits are clear,
 * is compiled for those and stays slow on hits. So it first gets accesses that hit, then one miss
 * in a hundred, then misses only, in a scratch address space of which nothing remains.
 */
final class Trainer {
  /** 1 GiB of small pages: more than any TLB or PDE cache holds. */
  private static final int PAGES = 1 << 18;

  private static final int FEW_PAGES = 48;
  private static final int BLOCK = 4096;
  private static final int BLOCKS_OF_HITS = 1000;
  private static final int BLOCKS_MIXED = 750;
  private static final int BLOCKS_OF_MISSES = 250;
  private static final long LINEAR = 1L << 30;
  private static final long PRESENT =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  private final SparseMemory memory;
  private long random = 0x9e3779b97f4a7c15L;

  Trainer(SparseMemory memory) {
    this.memory = memory;
  }

  /** How many frames at the top of RAM are borrowed for tables of a format. */
  private static int tables(PagingFormat format) {
    return PAGES / format.entries(1) + format.levels() - 1;
  }

  /**
   * Builds tables on frames that nobody uses, and answers the frame of the root; -1 without room.
   */
  long build(PagingFormat format, long[] pdptes) {
    long first = memory.end() - tables(format);
    for (long frame = first; frame < memory.end(); frame++) {
      if (frame < 0 || !memory.isRam(address(frame)) || memory.isHome(Addresses.mfn(frame))) {
        return -1;
      }
    }
    int lastTables = PAGES / format.entries(1);
    for (int page = 0; page < PAGES; page++) {
      put(format, first + page / format.entries(1), page % format.entries(1), first + page);
    }
    long below = first;
    int children = lastTables;
    for (int level = 2; level <= format.levels(); level++) {
      if (level == format.levels() && format.rootInRegisters()) {
        pdptes[format.index(LINEAR, level)] = below << PagingFormat.PAGE_SHIFT | PageEntry.P;
        break;
      }
      long table = first + lastTables + level - 2;
      int start = format.index(LINEAR, level);
      for (int child = 0; child < children; child++) {
        put(format, table, start + child, below + child);
      }
      below = table;
      children = 1;
    }
    return below;
  }

  private void put(PagingFormat format, long table, int index, long frame) {
    long entry = frame << PagingFormat.PAGE_SHIFT | PRESENT;
    int bytes = format.entryBytes();
    memory.store(Addresses.advance(address(table), (long) index * bytes), bytes, entry);
  }

  private static @Maddr long address(long frame) {
    return Addresses.mfnToMaddr(Addresses.mfn(frame));
  }

  /** Takes the tables away again, as if they had never been there. */
  void clear(PagingFormat format) {
    for (long frame = memory.end() - tables(format); frame < memory.end(); frame++) {
      memory.forget(Addresses.mfn(frame));
    }
  }

  /** Feeds a loop, whose context is the scratch address space. */
  void train(Loop loop) {
    OperationBlock block = new OperationBlock(BLOCK);
    for (int i = 0; i < BLOCKS_OF_HITS; i++) {
      run(loop, block, 0);
    }
    for (int i = 0; i < BLOCKS_MIXED; i++) {
      run(loop, block, 1);
    }
    for (int i = 0; i < BLOCKS_OF_MISSES; i++) {
      run(loop, block, 100);
    }
  }

  private void run(Loop loop, OperationBlock block, int percentAnywhere) {
    for (int i = 0; i < BLOCK; i++) {
      block.operations()[i] = operation(percentAnywhere);
    }
    block.size(BLOCK);
    loop.run(block, 0, BLOCK);
  }

  private long operation(int percentAnywhere) {
    random = TreePlru.nextRandom(random);
    boolean anywhere = (random >>> 40) % 100 < percentAnywhere;
    long page = (random >>> 8 & PAGES - 1) % (anywhere ? PAGES : FEW_PAGES);
    long choice = random >>> 32 & 7;
    long kind = choice == 0 ? Access.FETCH : choice <= 2 ? Access.WRITE : 0;
    @Gva long linear = Addresses.gva(LINEAR + (page << PagingFormat.PAGE_SHIFT));
    return Operation.access(Access.of(kind, true, false), linear);
  }
}
