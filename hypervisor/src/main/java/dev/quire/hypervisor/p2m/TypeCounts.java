// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

/** How many frames of each type there are, by the types as they stand in the tables. */
final class TypeCounts {
  private final long[] frames = new long[16];

  /** Frames were given this type; fewer than none were taken from it. */
  void add(int type, long count) {
    frames[type] += count;
  }

  long of(int type) {
    return frames[type];
  }
}
