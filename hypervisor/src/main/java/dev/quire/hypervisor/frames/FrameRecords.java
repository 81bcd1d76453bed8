// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.frames;

import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Four words for each machine frame: general references, type, owner and time stamp, progress of
 * validation. Made in runs when the first frame of a run is assigned; a frame that has never been
 * anybody's costs nothing.
 *
 * <p>Xen keeps stamp, progress and linear count in one place, of which only one view is valid at a
 * time. They are apart here, so that none can be taken for another (XSA-280).
 */
final class FrameRecords {
  static final int COUNT = 0;
  static final int TYPE = 1;

  /** 63..32 owner | 31..0 stamp. */
  static final int OWNER = 2;

  /** 31..16 linear, signed | 15 partial child | 14..0 entries validated. */
  static final int PROGRESS = 3;

  /** Progress of a table that is validated all through, however many entries it has. */
  static final long ALL_VALIDATED = (1 << 15) - 1;

  private static final int WORDS = 4;
  private static final int RUN_SHIFT = 12;
  private static final int RUN = 1 << RUN_SHIFT;
  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

  private final long end;
  private final AtomicReferenceArray<long @Nullable []> runs;

  FrameRecords(@Mfn long end) {
    this.end = end;
    runs = new AtomicReferenceArray<>((int) (end + RUN - 1 >>> RUN_SHIFT));
  }

  long end() {
    return end;
  }

  long get(@Mfn long mfn, int word) {
    long[] run = run(mfn);
    return run == null ? initial(word) : (long) WORD.getVolatile(run, index(mfn, word));
  }

  void set(@Mfn long mfn, int word, long value) {
    WORD.setVolatile(made(mfn), index(mfn, word), value);
  }

  boolean compareAndSet(@Mfn long mfn, int word, long expected, long value) {
    return WORD.compareAndSet(made(mfn), index(mfn, word), expected, value);
  }

  /** Adds to a word; answers its value before. */
  long add(@Mfn long mfn, int word, long difference) {
    return (long) WORD.getAndAdd(made(mfn), index(mfn, word), difference);
  }

  /** Calls back for each frame that has, or whose neighbour has, ever been anybody's. */
  void forEachMade(LongConsumer action) {
    for (int at = 0; at < runs.length(); at++) {
      long last = Math.min(end, (long) at + 1 << RUN_SHIFT);
      for (long mfn = (long) at << RUN_SHIFT; runs.get(at) != null && mfn < last; mfn++) {
        action.accept(mfn);
      }
    }
  }

  private static long initial(int word) {
    return word == OWNER ? (long) FrameTable.NOBODY << 32 : 0;
  }

  private static int index(long mfn, int word) {
    return ((int) mfn & RUN - 1) * WORDS + word;
  }

  private long @Nullable [] run(long mfn) {
    return mfn < 0 || mfn >= end ? null : runs.get((int) (mfn >>> RUN_SHIFT));
  }

  private long[] made(long mfn) {
    int at = (int) (mfn >>> RUN_SHIFT);
    long[] run = runs.get(at);
    while (run == null) {
      int frames = (int) Math.min(RUN, end - ((long) at << RUN_SHIFT));
      long[] fresh = new long[frames * WORDS];
      for (int i = OWNER; i < fresh.length; i += WORDS) {
        fresh[i] = initial(OWNER);
      }
      runs.compareAndSet(at, null, fresh);
      run = runs.get(at);
    }
    return run;
  }
}
