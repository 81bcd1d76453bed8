// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;

/**
 * Runs accesses of a guest with CR0.PG = 0 under nested paging: linear addresses are guest-physical
 * ones, and count as user-mode addresses with every right (SDM vol. 3, table 28-7). The nested TLB
 * alone caches for it.
 */
final class UnpagedLoop extends Loop {
  private static final int UNPAGED_ACCESSES = HwEvent.UNPAGED_ACCESSES.ordinal();
  private static final long ADDRESS_32 = 0xffffffffL;
  private static final long PAGE = ADDRESS_32 & ~0xfffL;
  private static final long EVERYTHING =
      Translation.PRESENT
          | Translation.USER
          | Translation.WRITABLE
          | Translation.EXECUTABLE
          | Translation.DIRTY;

  private final NestedDimension nested;
  private final long[] counters;

  UnpagedLoop(NestedDimension nested, Counters counters) {
    this.nested = nested;
    this.counters = counters.values();
  }

  @Override
  public int run(OperationBlock block, int from, int to) {
    long[] operations = block.operations();
    fault = 0;
    int i = from;
    while (i < to && (operations[i] & Key.SPECIAL) == 0 && !Operation.isControl(operations[i])) {
      long address = translate(operations[i]);
      if (address < 0) {
        fault = address;
        return i;
      }
      block.reached()[i] = address;
      i++;
    }
    return i;
  }

  @Override
  public long translate(long access) {
    long guest = access & PAGE | EVERYTHING;
    long found = nested.last(guest, access & ~Operation.ADDRESS | access & ADDRESS_32, FORMAT);
    if (found < 0) {
      return found;
    }
    counters[UNPAGED_ACCESSES]++;
    return Translation.address(found, access, PagingFormat.PAGE_SHIFT);
  }

  private static final PagingFormat FORMAT = PagingFormat.FOUR_LEVEL;

  @Override
  public void privilege(long flags) {
    // without the guest's tables there are no rights to check
  }
}
