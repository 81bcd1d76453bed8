// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import java.lang.invoke.MethodHandles;
import org.jspecify.annotations.Nullable;

/**
 * The loop over a block. A template, see {@link AssocCache}: cache and walker are constants, so
 * calls through their interfaces cost nothing.
 *
 * <p>There are two modes, in two methods, so that neither is compiled with the other's needs in
 * mind. While accesses hit, {@link TranslationCache#serve} runs, which calls nothing. After one
 * that it does not serve, accesses are handled one by one for as long as the cache does not expect
 * to serve the next; that spares programs that miss all the time an attempt for each access.
 */
public final class BlockLoop extends Loop {
  private static final LoopParts PARTS = Specializer.data(MethodHandles.lookup(), LoopParts.class);
  private static final PagingFormat FORMAT = PARTS.format();
  private static final @Nullable TranslationCache CACHE = PARTS.cache();
  private static final Walker WALKER = PARTS.walker();
  private static final PagingContext CONTEXT = PARTS.context();
  private static final long[] COUNTERS = PARTS.counters().values();
  private static final boolean NESTED = PARTS.nested();
  private static final int ACCESSES = HwEvent.ACCESSES.ordinal();
  private static final int REWALKS = HwEvent.RIGHTS_REWALKS.ordinal();

  /** Outside long mode linear addresses have 32 bits, and wrap. */
  private static final long ADDRESS_32 = ~Operation.ADDRESS | 0xffffffffL;

  private static long privilege;

  /** Whether the block cannot go on by itself: a fault, or an operation that is no probe. */
  private static boolean stopped;

  /** For {@link Specializer}. */
  public BlockLoop() {}

  @Override
  public void privilege(long flags) {
    privilege = flags;
  }

  @Override
  public int run(OperationBlock block, int from, int to) {
    long[] operations = block.operations();
    long[] reached = block.reached();
    int i = from;
    fault = 0;
    stopped = false;
    COUNTERS[ACCESSES] -= from;
    while (i < to && !stopped) {
      if (CACHE != null) {
        i = CACHE.serve(operations, i, to, reached);
      }
      if (i < to) {
        i = oneByOne(operations, i, to, reached);
      }
    }
    COUNTERS[ACCESSES] += i;
    if (CACHE != null) {
      CACHE.settle();
    }
    return i;
  }

  /**
   * Until the cache expects to serve again, or there is something other than a probe, or a fault.
   */
  private int oneByOne(long[] operations, int from, int to, long[] reached) {
    int i = from;
    do {
      if (!isProbe(operations[i])) {
        stopped = true;
        return i;
      }
      if ((i & Walker.AHEAD - 1) == 0 && i + 2 * Walker.AHEAD <= to) {
        WALKER.touch(operations, i + Walker.AHEAD);
      }
      long address = one(operations[i]);
      if (address < 0) {
        fault = address;
        stopped = true;
        return i;
      }
      reached[i] = address;
    } while (++i < to && (CACHE == null || !CACHE.expects(operations[i])));
    return i;
  }

  private static boolean isProbe(long operation) {
    return (operation & Key.SPECIAL) == 0 && !Operation.isControl(operation);
  }

  @Override
  public long translate(long access) {
    long address = one(access & ~Operation.DATA);
    if (address >= 0) {
      COUNTERS[ACCESSES]++;
    }
    return address;
  }

  private static long one(long operation) {
    long access = FORMAT.isLongMode() ? operation : operation & ADDRESS_32;
    if (CACHE != null) {
      long known = CACHE.lookup(access);
      if (known != TranslationCache.MISS) {
        if (Verdict.suffices(CONTEXT, known, access | privilege)) {
          return addressOf(known, access);
        }
        CACHE.drop(access);
        COUNTERS[REWALKS]++;
      }
    }
    long found = WALKER.walk(access | privilege);
    if (found < 0) {
      return found;
    }
    if (CACHE != null && (!NESTED || (found & Walker.UNKEPT) == 0)) {
      CACHE.fill(access, found);
    }
    return addressOf(found, access);
  }

  private static long addressOf(long translation, long access) {
    int level = Translation.level(translation);
    return level == 1 // no shift to be worked out
        ? Translation.address(translation, access, PagingFormat.PAGE_SHIFT)
        : Translation.address(translation, access, FORMAT.shift(level));
  }
}
