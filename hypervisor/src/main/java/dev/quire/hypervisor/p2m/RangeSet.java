// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import java.util.Arrays;

/**
 * A set of numbers, kept as ranges in ascending order that neither overlap nor touch (Xen's {@code
 * rangeset}). Whoever changes it holds the p2m's lock; a question asked meanwhile by somebody else
 * sees the set before or after, since each change replaces the array.
 */
final class RangeSet {
  /** How much of a range is in the set. */
  enum Coverage {
    NONE,
    SOME,
    ALL
  }

  private static final long[] EMPTY = {};

  /** First and one past the last of each range, in turn. */
  private volatile long[] bounds = EMPTY;

  boolean contains(long number) {
    return (boundsUpTo(bounds, number) & 1) != 0;
  }

  Coverage coverage(long first, long count) {
    long[] now = bounds;
    int before = boundsUpTo(now, first);
    boolean begins = (before & 1) != 0;
    boolean constant = before == now.length || now[before] >= first + count;
    return constant ? begins ? Coverage.ALL : Coverage.NONE : Coverage.SOME;
  }

  void add(long first, long count) {
    change(first, first + count, true);
  }

  void remove(long first, long count) {
    change(first, first + count, false);
  }

  /** Makes this equal to {@code other}. */
  void set(RangeSet other) {
    bounds = other.bounds;
  }

  /** How many bounds lie at or below a number: odd if the number is in a range. */
  private static int boundsUpTo(long[] bounds, long number) {
    int low = 0;
    int high = bounds.length;
    while (low < high) {
      int middle = low + high >>> 1;
      if (bounds[middle] <= number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private void change(long first, long end, boolean in) {
    if (first >= end) {
      return;
    }
    long[] old = bounds;
    long[] changed = new long[old.length + 2];
    int kept = boundsUpTo(old, first - 1);
    System.arraycopy(old, 0, changed, 0, kept);
    int length = kept;
    if ((length & 1) != 0 != in) {
      changed[length++] = first;
    }
    int rest = boundsUpTo(old, end);
    if ((rest & 1) != 0 != in) {
      changed[length++] = end;
    }
    System.arraycopy(old, rest, changed, length, old.length - rest);
    bounds = Arrays.copyOf(changed, length + old.length - rest);
  }

  @Override
  public String toString() {
    return Arrays.toString(bounds);
  }
}
