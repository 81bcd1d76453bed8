// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.x86.NestedTranslation;

/**
 * A level of nested tables on the fast road of {@link NestedWalker}. What is known above a level,
 * of the table there, is one word: its frame in bits 51..12, and the rights of all levels above it
 * as in a {@link NestedTranslation}.
 */
public abstract class NestedLevel {
  /** Set in the answer when the fast road ends; the level at which it does is in bits 2..0. */
  public static final long LEAVE = 1L << 62;

  private static final int LEVEL = 7;

  /** What this level's cache knows below the entry for an address; 0 for nothing. */
  public abstract long find(long guestPhysical);

  /**
   * The way down from a table of this level, to a page or until the fast road ends. Tables on it
   * enter the caches of their levels.
   *
   * @param above the table
   * @param row under which guest level references count
   * @return a {@link NestedTranslation}, or {@link #LEAVE}
   */
  public abstract long descend(long above, long guestPhysical, int row);

  /** The level at which the fast road was left. */
  public static int leftAt(long away) {
    return (int) away & LEVEL;
  }
}
