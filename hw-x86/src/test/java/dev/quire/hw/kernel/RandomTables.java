// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.hw.reference.Shape;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Page tables of one format with random entries, and the addresses that lead through them. Two
 * roots share their tables; each level has two tables for the lower half of the addresses and one
 * for the upper half, whose pages are global. Whether an entry maps a large page depends on its
 * index alone, however tables change, so that a guest's forgotten invalidation leaves one entry for
 * an address and not two.
 */
final class RandomTables {
  /** What is RAM; tables and most pages are in the first range. */
  static final List<Ram> RAM = List.of(new Ram(0, 8 << 20), new Ram(1L << 32, 4 << 20));

  static final int TABLES_OF_LEVEL = 3;

  private static final int KERNEL = 2;
  private static final long DATA = 0x70000;
  private static final int DATA_FRAMES = 12;

  private final Shape shape;
  private final long base;
  private final SplittableRandom random;
  private final boolean coherent;

  /** By level, the indexes that addresses use. */
  private final int[][] indexes = new int[6][];

  private final boolean[] isLarge = new boolean[1 << 10];

  /**
   * Tables that are still to be filled.
   *
   * @param base where they lie
   * @param coherent whether no page may lie on a table, and both roots agree on the upper half
   */
  RandomTables(Shape shape, long base, SplittableRandom random, boolean coherent) {
    this.shape = shape;
    this.base = base;
    this.random = random;
    this.coherent = coherent;
    for (int level = 1; level <= shape.levels(); level++) {
      int bits = level == shape.levels() ? shape.rootBits() : shape.indexBits();
      indexes[level] = level == 1 ? pairs(bits) : someOf(bits);
    }
    for (int i = 0; i < isLarge.length; i++) {
      isLarge[i] = random.nextInt(3) == 0;
    }
  }

  private int[] pairs(int bits) {
    int[] chosen = new int[8];
    for (int i = 0; i < chosen.length; i += 2) {
      chosen[i] = random.nextInt(1 << bits);
      chosen[i + 1] = chosen[i] + 1 & (1 << bits) - 1;
    }
    return chosen;
  }

  /** Two in each half. */
  private int[] someOf(int bits) {
    int half = 1 << bits - 1;
    return new int[] {
      random.nextInt(half), random.nextInt(half), half + random.nextInt(half), half * 2 - 1
    };
  }

  Shape shape() {
    return shape;
  }

  long root(int which) {
    long spacing = shape.levels() == 3 ? 32 : 4096;
    return table(shape.levels(), 0) + which * spacing;
  }

  private long table(int level, int which) {
    return base + ((level - 1) * TABLES_OF_LEVEL + which) * 4096L;
  }

  /** An address that the tables know, sign-extended. */
  long address() {
    long linear = random.nextInt(4096);
    if (random.nextInt(8) == 0) {
      linear |= 0xff8; // to cross into the next page
    }
    for (int level = 1; level <= shape.levels(); level++) {
      linear |= (long) anyOf(indexes[level]) << shape.shift(level);
    }
    int above = 64 - shape.width();
    return shape.isLong() ? linear << above >> above : linear;
  }

  private int anyOf(int[] choices) {
    return choices[random.nextInt(choices.length)];
  }

  /** Fills all tables. */
  void fill(Rig rig) {
    for (int level = 1; level <= shape.levels(); level++) {
      for (int which = 0; which < TABLES_OF_LEVEL; which++) {
        for (int index : indexes[level]) {
          put(rig, level, which, index, entry(level, which, index));
        }
      }
    }
    if (coherent) {
      for (int index : indexes[shape.levels()]) {
        int bytes = shape.entryBytes();
        long first = root(0) + (long) index * bytes;
        boolean isUpper = index >= 1 << shape.rootBits() - 1;
        if (isUpper) {
          rig.store(root(1) + (long) index * bytes, bytes, rig.memory().read(first, bytes));
        }
      }
    }
  }

  private void put(Rig rig, int level, int which, int index, long entry) {
    boolean isRoot = level == shape.levels();
    long table = isRoot ? root(Math.min(which, 1)) : table(level, which);
    rig.store(table + (long) index * shape.entryBytes(), shape.entryBytes(), entry);
  }

  /** Changes an entry at random, in memory. */
  void edit(Rig rig) {
    int level = 1 + random.nextInt(shape.levels() - (coherent ? 1 : 0));
    int which = random.nextInt(TABLES_OF_LEVEL);
    int index = anyOf(indexes[level]);
    put(rig, level, which, index, entry(level, which, index));
  }

  /** The address of an entry that is in use. */
  long entryAddress() {
    int level = 1 + random.nextInt(shape.levels() - 1);
    int which = random.nextInt(TABLES_OF_LEVEL);
    return table(level, which) + (long) anyOf(indexes[level]) * shape.entryBytes();
  }

  /** A value for an entry of a last-level table of the lower half. */
  long anyEntry() {
    return entry(1, 0, 0);
  }

  private long entry(int level, int which, int index) {
    if (random.nextInt(30) == 0) {
      return random.nextLong() & ~1L;
    }
    boolean isRoot = level == shape.levels();
    boolean kernel = isRoot ? index >= 1 << shape.rootBits() - 1 : which == KERNEL;
    if (isRoot && shape.levels() == 3) {
      return pdpte(kernel);
    }
    long entry = 1 | bit(1, 90) | bit(2, 90) | bit(3, 10) | bit(5, 75) | bit(9, 20);
    boolean large = level > 1 && level <= 3 && level < shape.levels() && isLarge[index];
    if (shape.levels() == 2 && level == 2) {
      large = isLarge[index];
    }
    if (coherent && isRoot) {
      entry |= 1 << 5; // a global page that the other root's walk cached sets no A in this one
    }
    if (level == 1 || large) {
      entry |= bit(6, 50) | (kernel ? 1 << 8 : 0) | (large ? 1 << 7 : bit(7, 10));
      entry |= shape.isLong() && random.nextInt(3) == 0 ? (long) random.nextInt(4) << 59 : 0;
      entry |= pageFrame(level);
    } else {
      entry |= lowerTable(level, kernel) | bit(8, 5);
    }
    if (shape.entryBytes() == 8) {
      entry |= random.nextInt(12) == 0 ? Long.MIN_VALUE : 0;
      int lowest = coherent ? 34 : 13; // not back onto the tables
      entry ^= random.nextInt(80) == 0 ? 1L << lowest + random.nextInt(63 - lowest) : 0;
    }
    return entry;
  }

  /** Now and then a table of another level: then one entry serves a walk twice. */
  private long lowerTable(int level, boolean kernel) {
    boolean astray = !coherent && !kernel && random.nextInt(12) == 0;
    int below = astray ? level - random.nextInt(2) : level - 1;
    return table(below, kernel ? KERNEL : random.nextInt(2));
  }

  private long pdpte(boolean kernel) {
    long reserved = random.nextInt(30) == 0 ? 1L << 1 + random.nextInt(8) : 0;
    return 1 | bit(3, 10) | table(2, kernel ? KERNEL : random.nextInt(2)) | reserved;
  }

  private long bit(int number, int percent) {
    return random.nextInt(100) < percent ? 1L << number : 0;
  }

  private long pageFrame(int level) {
    int choice = random.nextInt(32);
    if (level > 1) {
      long pat = choice == 0 ? 1 << 12 : choice == 1 ? 1 << 13 : 0;
      int lowest = coherent ? 1 : 0; // frame 0 has the tables
      long number = shape.entryBytes() == 4 ? lowest : lowest + random.nextInt(4);
      return number << shape.shift(level) | pat;
    }
    if (choice < 24 || coherent && choice < 28) {
      return DATA + random.nextInt(DATA_FRAMES) * 4096L;
    }
    if (choice < 28) {
      return table(1 + random.nextInt(shape.levels()), random.nextInt(TABLES_OF_LEVEL));
    }
    boolean isHigh = choice < 30 && shape.entryBytes() == 8;
    return (isHigh ? 1L << 32 : 0xc00000) + random.nextInt(4) * 4096L;
  }
}
