// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

/**
 * A set-associative cache from a non-zero key to a value: second-level TLB or paging-structure
 * cache. The low bits of the key choose the set.
 */
public abstract class Cache {
  /** No slot. */
  public static final int NONE = -1;

  /** Slot that holds {@code key}, which counts as a use of it, or {@link #NONE}. */
  public abstract int find(long key);

  /** Slot that holds {@code key}, or {@link #NONE}; not a use. */
  public abstract int peek(long key);

  /** The value in a slot. */
  public abstract long value(int slot);

  /** Replaces the value in a slot. */
  public abstract void setValue(int slot, long value);

  /** Puts a key that is not there in the place of a victim of its set; free ways first. */
  public abstract void put(long key, long value);

  /** Empties a slot. */
  public abstract void remove(int slot);

  /**
   * Empties every slot whose key, masked, equals {@code match}, and has a bit of {@code some} (all
   * keys do if that is 0).
   */
  public abstract void removeIf(long mask, long match, long some);

  /** Empties every slot and forgets the order of their use. */
  public abstract void reset();

  /** One past the highest slot. */
  public abstract int slots();

  /** The key in a slot, 0 if it is free. */
  public abstract long key(int slot);
}
