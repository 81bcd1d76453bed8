// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.reference;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;

/** Levels and widths of one kind of tables, with the widths as parameters for small worlds. */
public record Shape(int levels, int entryBytes, int indexBits, int rootBits) {
  public static final Shape TWO_LEVEL = new Shape(2, 4, 10, 10);
  public static final Shape PAE = new Shape(3, 8, 9, 2);
  public static final Shape FOUR_LEVEL = new Shape(4, 8, 9, 9);
  public static final Shape FIVE_LEVEL = new Shape(5, 8, 9, 9);

  /** SDM vol. 3, 4.1.1: which paging mode the registers select; with CR0.PG = 1. */
  public static Shape of(Registers registers) {
    if ((registers.efer & Efer.LMA) != 0) {
      return (registers.cr4 & Cr4.LA57) != 0 ? FIVE_LEVEL : FOUR_LEVEL;
    }
    return (registers.cr4 & Cr4.PAE) != 0 ? PAE : TWO_LEVEL;
  }

  public static boolean isPaged(Registers registers) {
    return (registers.cr0 & Cr0.PG) != 0;
  }

  /** A linear address as wide as the mode has it. */
  static long wrap(Registers registers, long linear) {
    return isPaged(registers) && of(registers).isLong() ? linear : linear & 0xffffffffL;
  }

  public Shape narrowed(int bits) {
    return new Shape(levels, entryBytes, bits, Math.min(rootBits, bits));
  }

  public boolean isLong() {
    return levels > 3;
  }

  public int shift(int level) {
    return 12 + indexBits * (level - 1);
  }

  /** How many bits of a linear address are translated. */
  public int width() {
    return shift(levels) + rootBits;
  }

  public int index(long linear, int level) {
    int bits = level == levels ? rootBits : indexBits;
    return (int) (linear >>> shift(level)) & (1 << bits) - 1;
  }

  /** Whether the bits above the translated ones are copies of the highest of those. */
  public boolean isCanonical(long linear) {
    if (!isLong()) {
      return true; // 32 bits, which wrap
    }
    long above = linear >> width() - 1;
    return above == 0 || above == -1;
  }
}
