// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.hw.reference.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * The values that the access matrix gives to an entry: every combination of P, R/W, U/S, XD, A, D
 * and PS, and reserved, ignored and attribute bits one at a time.
 */
final class MatrixEntries {
  /** Two entries of one walk. */
  record Pair(long upper, long lower) {}

  private static final long[] ODD_BITS = {
    1L << 51, 1L << 52, 1L << 62, 1L << 6, 1L << 7, 1L << 8, 1L << 12, 1L << 13, 1L << 20, 1L << 21
  };

  private final Shape shape;

  MatrixEntries(Shape shape) {
    this.shape = shape;
  }

  /**
   * Pairs for two levels that follow each other.
   *
   * @param table of the lower entry, and below that of a page
   */
  List<Pair> pairs(int upperLevel, long lowerTable, long lastTable) {
    List<Long> uppers = plain(upperLevel, lowerTable);
    List<Long> lowers = plain(upperLevel - 1, lastTable);
    List<Pair> pairs = new ArrayList<>();
    for (long upper : uppers) {
      boolean ends = (upper & 1) == 0 || (upper & Tables.PS) != 0 && upperLevel < 4;
      for (long lower : ends ? lowers.subList(0, 1) : lowers) {
        pairs.add(new Pair(upper, lower));
      }
    }
    long permissive = Tables.PLAIN;
    for (long odd : odd(uppers)) {
      pairs.add(new Pair(odd, pageFrame(upperLevel - 1) | permissive | pageSize(upperLevel - 1)));
    }
    for (long odd : odd(lowers)) {
      pairs.add(new Pair(lowerTable | permissive, odd));
    }
    return pairs;
  }

  /** All combinations of the bits that every CPU knows. */
  private List<Long> plain(int level, long table) {
    List<Long> entries = new ArrayList<>(List.of(0L, -2L & width()));
    for (int bits = 0; bits < 64; bits++) {
      long flags = 1 | (bits & 3) << 1 | (bits & 12) << 3 | (bits & 16) << 3;
      boolean page = level == 1 || (bits & 16) != 0;
      boolean isIgnored = level == 1 ? (bits & 16) != 0 : !page && (bits & 8) != 0;
      if (isIgnored) {
        continue; // PAT of a last entry, D of one that refers to a table: among the odd bits
      }
      long entry = flags | (page ? pageFrame(level) : table) | (bits & 32L) << 58;
      if (shape.entryBytes() == 8 || bits < 32) {
        entries.add(entry);
      }
    }
    return entries;
  }

  private long width() {
    return shape.entryBytes() == 8 ? -1 : 0xffffffffL;
  }

  private List<Long> odd(List<Long> entries) {
    List<Long> odd = new ArrayList<>();
    for (long entry : entries) {
      for (long bit : ODD_BITS) {
        boolean page = (entry & Tables.PS) != 0;
        boolean isAddressOfTable = !page && bit >= 1L << 12 && bit <= 1L << 21;
        boolean some = (entry & 1) != 0 && (entry & Tables.RW) != 0;
        if (some && (bit & width()) != 0 && !isAddressOfTable) {
          odd.add(entry ^ bit);
        }
      }
    }
    return odd;
  }

  private long pageSize(int level) {
    return level > 1 && level < 4 ? Tables.PS : 0;
  }

  private long pageFrame(int level) {
    return level > 3 ? 0x40000000 : 1L << Math.max(20, shape.shift(level));
  }
}
