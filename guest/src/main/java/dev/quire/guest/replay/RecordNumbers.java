// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

/**
 * Which record each operation of a block comes from. Operations come mostly from records in a row,
 * so only the breaks are kept.
 */
final class RecordNumbers {
  private final int[] indices;
  private final long[] records;
  private int breaks;

  RecordNumbers(int capacity) {
    indices = new int[capacity];
    records = new long[capacity];
  }

  void clear() {
    breaks = 0;
  }

  /** Says that operations from {@code index} on come from records from {@code record} on. */
  void add(int index, long record) {
    if (breaks > 0 && records[breaks - 1] + (index - indices[breaks - 1]) == record) {
      return;
    }
    if (breaks == 0 || indices[breaks - 1] != index) {
      breaks++;
    }
    indices[breaks - 1] = index;
    records[breaks - 1] = record;
  }

  /** The record of an operation. */
  long of(int index) {
    int at = breaks - 1;
    while (at > 0 && indices[at] > index) {
      at--;
    }
    return records[at] + (index - indices[at]);
  }
}
