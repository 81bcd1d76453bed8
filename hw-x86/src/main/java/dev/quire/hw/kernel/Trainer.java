// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.EptEntry;
import dev.quire.api.x86.NestedRules;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import org.jspecify.annotations.Nullable;

/**
 * Runs a new loop on made-up accesses before it meets real ones. What a method is compiled for is
 * decided by its first diet: a loop that begins with misses, or with pages whose A bits are clear,
 * is compiled for those and stays slow on hits. So it first gets accesses that hit, then one miss
 * in a hundred, then misses only, in a scratch address space of which nothing remains: its tables
 * are never in the machine's memory, the walkers are told of them as if they had found them lately.
 */
final class Trainer {
  /** 1 GiB of small pages: more than any TLB or PDE cache holds. */
  private static final int PAGES = 1 << 18;

  private static final int FEW_PAGES = 48;
  private static final int BLOCK = 4096;
  private static final int BLOCKS_OF_HITS = 1000;
  private static final int BLOCKS_MIXED = 750;
  private static final int BLOCKS_OF_MISSES = 250;

  /** Fewer, since each walk is as much work as many. */
  private static final int BLOCKS_OF_NESTED_MISSES = 64;

  private static final long LINEAR = 1L << 30;
  private static final long PRESENT =
      PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A | PageEntry.D;

  /** The number of the first table; any will do that every format can hold. */
  private static final long FIRST_TABLE = 1L << 18;

  /** The same of nested tables, beyond all others. */
  private static final long FIRST_NESTED_TABLE = 1L << 19;

  private final PagingFormat format;
  private final Walker walker;
  private final @Nullable NestedDimension nested;
  private long tables = FIRST_TABLE;
  private long random = 0x9e3779b97f4a7c15L;

  Trainer(PagingFormat format, Walker walker, @Nullable NestedDimension nested) {
    this.format = format;
    this.walker = walker;
    this.nested = nested;
  }

  /**
   * Whether there is a diet: not for a loop without anything that could be found by the way, and
   * not where PDPTEs are read from memory.
   *
   * @param caches whether there are TLBs
   */
  boolean canTrain(boolean caches) {
    return nested == null ? caches : !format.rootInRegisters() || nested.rules().isEpt();
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
    walker.hints().lend(format, level, linear, tables << PagingFormat.PAGE_SHIFT, frame);
    return tables++;
  }

  /**
   * Makes nested tables known that map what {@link #build} made, every address to itself.
   *
   * @return what to enter
   */
  NestedPaging buildNested(NestedDimension dimension) {
    NestedRules rules = dimension.rules();
    long user = rules.isModeBasedExecute() ? EptEntry.USER_EXECUTE : 0;
    long flags = EptEntry.RIGHTS | user | rules.layout().accessed() | rules.layout().dirty();
    long next = FIRST_NESTED_TABLE;
    long below = 0;
    long count = tables;
    for (int level = 1; level <= rules.format().levels(); level++) {
      long first = next;
      for (long done = 0; done < count; done += PhysicalMemory.FRAME_LONGS) {
        long[] frame = new long[PhysicalMemory.FRAME_LONGS];
        for (int i = 0; i < frame.length && done + i < count; i++) {
          long number = below + done + i;
          frame[i] = number << PagingFormat.PAGE_SHIFT | rules.plain(level).bits() | flags;
        }
        long address = done << rules.format().shift(level);
        long table = next++ << PagingFormat.PAGE_SHIFT;
        dimension.hints().lend(rules.format(), level, address, table, frame);
      }
      below = first;
      count = next - first;
    }
    NestedPaging paging = new NestedPaging();
    paging.root = Addresses.maddr(below << PagingFormat.PAGE_SHIFT);
    return paging;
  }

  /**
   * Feeds a loop, whose context is the scratch address space.
   *
   * @param caches whether there are TLBs; without them nothing hits
   */
  void train(Loop loop, boolean caches) {
    OperationBlock block = new OperationBlock(BLOCK);
    for (int i = 0; caches && i < BLOCKS_OF_HITS; i++) {
      run(loop, block, 0);
    }
    for (int i = 0; caches && i < BLOCKS_MIXED; i++) {
      run(loop, block, 1);
    }
    int misses = nested == null ? BLOCKS_OF_MISSES : BLOCKS_OF_NESTED_MISSES;
    for (int i = 0; i < misses; i++) {
      run(loop, block, 100);
      forgetSome(i);
    }
  }

  /** So that looking for a table is part of the diet; a small one, or it would be inlined. */
  private void forgetSome(int which) {
    walker.hints().forgetSome(which);
    if (nested != null) {
      nested.hints().forgetSome(which);
    }
  }

  /** Makes the walkers forget the scratch address space. */
  void forget() {
    walker.hints().forget();
    if (nested != null) {
      nested.hints().forget();
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
