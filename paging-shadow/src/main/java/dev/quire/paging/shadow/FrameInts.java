// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Mfn;
import org.jspecify.annotations.Nullable;

/**
 * A number for each machine frame of RAM, 0 at first: Xen's {@code page_info} as far as shadows
 * need one. Costs 2 KiB for each 2 MiB of memory that has a number.
 */
final class FrameInts {
  private static final int SHIFT = 9;
  private static final int LENGTH = 1 << SHIFT;

  private int[] @Nullable [] parts = new int[16][];

  int get(@Mfn long mfn) {
    long part = mfn >>> SHIFT;
    int[] numbers = part < parts.length ? parts[(int) part] : null;
    return numbers == null ? 0 : numbers[(int) mfn & LENGTH - 1];
  }

  void set(@Mfn long mfn, int value) {
    part(mfn)[(int) mfn & LENGTH - 1] = value;
  }

  /** Adds and answers the sum. */
  int add(@Mfn long mfn, int amount) {
    return part(mfn)[(int) mfn & LENGTH - 1] += amount;
  }

  private int[] part(@Mfn long mfn) {
    int part = Math.toIntExact(mfn >>> SHIFT);
    if (part >= parts.length) {
      parts = java.util.Arrays.copyOf(parts, Math.max(part + 1, 2 * parts.length));
    }
    int[] numbers = parts[part];
    if (numbers == null) {
      numbers = new int[LENGTH];
      parts[part] = numbers;
    }
    return numbers;
  }

  /** Calls {@code visitor} for each frame whose number is not 0, ascending. */
  void forEach(Visitor visitor) {
    for (int part = 0; part < parts.length; part++) {
      int[] numbers = parts[part];
      for (int i = 0; numbers != null && i < LENGTH; i++) {
        if (numbers[i] != 0) {
          visitor.visit(((long) part << SHIFT) + i, numbers[i]);
        }
      }
    }
  }

  /** Told of a frame and its number. */
  @FunctionalInterface
  interface Visitor {
    /** The frame number is a machine frame's. */
    void visit(long mfn, int value);
  }
}
