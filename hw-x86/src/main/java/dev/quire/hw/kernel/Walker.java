// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.address.Gva;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.WalkTrace;
import org.jspecify.annotations.Nullable;

/** Walks tables of one format. One source, {@link TableWalker}, for hardware and software alike. */
public abstract class Walker {
  /** Set in a translation that no TLB may keep: a page that may be executed but not read. */
  public static final long UNKEPT = 1L << 62;

  /** How many operations {@link #touch} looks at: a power of two. */
  public static final int AHEAD = 8;

  /** What {@link #touch} read: a place for it, so that the reads happen. */
  public long touched;

  /**
   * Walks as the hardware does for its own context: by way of the paging-structure caches,
   * counting, setting A and D.
   *
   * @param access flags of {@link dev.quire.api.x86.Access} and linear address, as an operation
   * @return a {@link dev.quire.api.x86.Translation}; a fault with NOT_CANONICAL stands for #GP(0)
   */
  public abstract long walk(long access);

  /** Walks as {@link dev.quire.api.hw.PageWalker#walk} promises. */
  public abstract long walk(
      PagingContext context,
      @Gva long linear,
      long access,
      @Nullable FrameMapper frames,
      boolean update,
      @Nullable WalkTrace trace);

  /**
   * Brings what walks for the next operations will read closer to the host's CPU. Changes nothing
   * in the model.
   *
   * @param operations accesses
   * @param from index of the first of them; AHEAD exist
   */
  public abstract void touch(long[] operations, int from);

  /** Where it found tables lately. */
  public abstract FrameHints hints();
}
