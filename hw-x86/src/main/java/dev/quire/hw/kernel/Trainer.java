// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;

/**
 * Runs a new loop on made-up accesses before it meets real ones. What a method is compiled for is
 * decided by its first diet: a loop that begins with misses, or with pages whose A bits are clear,
 * is compiled for those and stays slow on hits. So it first gets accesses that hit, then one miss
 * in a hundred, then misses only, in a scratch address space of which nothing remains: its tables
 * are never in the machine's memory, the walker is told of them as if it had found them lately.
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

  /** The number of the first table; any will do that every format can hold. */
  private static final long FIRST_TABLE = 1L << 18;

  private final PagingFormat format;
  private final Walker walker;
  private long tables = FIRST_TABLE;
  private long random = 0x9e3779b97f4a7c15L;

  Trainer(PagingFormat format, Walker walker) {
    this.format = format;
    this.walker = walker;
  }

  /**
   * Makes the scratch address space known to the walker.
   *
   * @param pdptes receives the PDPTE registers of a format that has them
   * @return the address of the root. Unit: bytes
   */
  long build(long[] pdptes) {
    int perTable = format.entries(1);
    long below = tables;
    for (int first = 0; first < PAGES; first += perTable) {
      lend(1, LINEAR + ((long) first << PagingFormat.PAGE_SHIFT), 0, perTable, first);
    }
    int children = PAGES / perTable;
    for (int level = 2; level <= format.levels(); level++) {
      int index = format.index(LINEAR, level);
      if (level == format.levels() && format.rootInRegisters()) {
        pdptes[index] = below << PagingFormat.PAGE_SHIFT | PageEntry.P;
        break;
      }
      below = lend(level, LINEAR, index, children, below);
      children = 1;
    }
    return below << PagingFormat.PAGE_SHIFT;
  }

  /** Makes a table whose entries from an index on refer to frames in a row; answers its number. */
  private long lend(int level, long linear, int index, int count, long firstFrame) {
    long[] frame = new long[PhysicalMemory.FRAME_LONGS];
    for (int i = 0; i < count; i++) {
      long entry = firstFrame + i << PagingFormat.PAGE_SHIFT | PRESENT;
      if (format.entryBytes() == 8) {
        frame[index + i] = entry;
      } else {
        frame[index + i >>> 1] |= entry << 32 * (index + i & 1);
      }
    }
    walker.assume(level, linear, tables << PagingFormat.PAGE_SHIFT, frame);
    return tables++;
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
