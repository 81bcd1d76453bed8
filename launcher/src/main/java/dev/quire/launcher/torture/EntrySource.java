// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.launcher.torture.TortureLayout.Mode;
import java.util.SplittableRandom;

/**
 * Makes entries of tables, whole or in part, and addresses that lead through them. Bytes always go
 * where they would stand in an entry, so that no mixture of old and new ones leads beyond the first
 * frames.
 */
final class EntrySource {
  /** Bits that are set in a few entries only: reserved, ignored or a key's. */
  private static final long[] RARE = {
    PageEntry.NX,
    1L << 59,
    1L << 60,
    1L << 51,
    1L << 52,
    PageEntry.PWT,
    PageEntry.PCD,
    1L << 9,
    1L << 13
  };

  /** Where 4-byte entries stand too, what lies in bits 63:56 would be high address bits. */
  private static final int BYTE_7 = 3;

  private final SplittableRandom random;
  private boolean mixed;
  private long entryPlace;
  private long entry;
  private long neighbour;
  private int shift;
  private int width;
  private int entryBytes;
  private long last;

  EntrySource(SplittableRandom random) {
    this.random = random;
  }

  /**
   * Another program begins.
   *
   * @param withBothSizes whether entries of 4 and of 8 bytes may come to stand in the same place
   */
  void begin(boolean withBothSizes) {
    mixed = withBothSizes;
  }

  private boolean oneIn(int many) {
    return random.nextInt(many) == 0;
  }

  private int any(int... choices) {
    return choices[random.nextInt(choices.length)];
  }

  // ---- addresses ----

  /** A page that the tables may map. */
  long linear(Mode mode) {
    PagingFormat format = mode.format();
    long linear = 0;
    int directory = 0;
    for (int level = format.levels(); level >= 1; level--) {
      int index = random.nextInt(4);
      if (level == 2) {
        index = oneIn(3) ? index : random.nextInt(2);
        directory = index;
      } else if (level == 1 && directory >= TortureLayout.LARGE_INDEX && !oneIn(4)) {
        index = frame();
      } else if (level >= 3 && oneIn(2)) {
        index = 0;
      } else if (level >= 4 && index == 3) {
        index = TortureLayout.HIGH_INDEX;
      }
      linear |= (long) index << format.shift(level);
    }
    int spare = 64 - format.linearBits();
    return format.isLongMode() ? linear << spare >> spare : linear & 0xffffffffL;
  }

  /** A frame that matters. */
  private int frame() {
    return oneIn(3)
        ? TortureLayout.DATA + random.nextInt(TortureLayout.DATA_FRAMES)
        : 1 + random.nextInt(TortureLayout.PAE_ROOT);
  }

  /** Where in a page. */
  long offset() {
    return switch (random.nextInt(16)) {
      case 0 -> 4096 - 1 - random.nextInt(7);
      case 1 -> random.nextInt(4096);
      default -> random.nextInt(6) * 8L + (oneIn(4) ? random.nextInt(8) : 0);
    };
  }

  /**
   * An address by which a guest may reach one of the first frames.
   *
   * @param small by the window; otherwise by the large page
   */
  long window(Mode mode, long gpa, boolean small) {
    int index = small ? TortureLayout.WINDOW_INDEX : TortureLayout.LARGE_INDEX;
    return (long) index << mode.format().shift(2) | gpa;
  }

  // ---- entries ----

  /** Chooses an entry of a table and what to store there. */
  void chooseEntry(Mode mode) {
    PagingFormat format = mode.format();
    int level = oneIn(3) ? 1 + random.nextInt(format.levels()) : 1 + random.nextInt(2);
    int[] tables = mode.tables(level);
    boolean isPdpt = mode == Mode.PAE && level == 3;
    int table = tables[random.nextInt(tables.length)];
    int index = isPdpt ? random.nextInt(8) : random.nextInt(4);
    if (!isPdpt && level > 3 && index == 3) {
      index = TortureLayout.HIGH_INDEX;
    }
    if (level == 2 && index >= 2 && !oneIn(8)) {
      index &= 1; // or the guest soon has no windows any more
    }
    if (level == 1 && table == tables[tables.length - 1]) {
      index = frame();
    }
    entryBytes = format.entryBytes();
    entryPlace = ((long) table << 12) + (long) index * entryBytes;
    entry = isPdpt ? pdpte() : entry(mode, level);
    neighbour = isPdpt ? pdpte() : entry(mode, level);
    chooseWidth();
  }

  /** All of the entry, a part of it, or the end of it and the beginning of the next. */
  private void chooseWidth() {
    width = entryBytes;
    shift = 0;
    if (oneIn(3)) {
      width = 1 << random.nextInt(4);
      shift = random.nextInt(entryBytes);
    }
  }

  private long pdpte() {
    long entry = TortureLayout.pdpte(any(13, 14, 13, 14, 13, 14, 15));
    return switch (random.nextInt(20)) {
      case 0 -> 0;
      case 1 -> entry | PageEntry.RW;
      case 2 -> entry | PageEntry.PWT;
      default -> entry;
    };
  }

  private long entry(Mode mode, int level) {
    if (oneIn(10)) {
      return oneIn(2) ? 0 : entryTo(frame()) & ~PageEntry.P;
    }
    long entry = level == 1 ? leaf() : table(mode, level);
    if (oneIn(6)) {
      entry |= RARE[random.nextInt(mixed ? BYTE_7 : 0, RARE.length)];
    }
    return mode.format().entryBytes() == 4 ? entry & 0xffffffffL : entry;
  }

  private long leaf() {
    boolean isData = random.nextInt(3) > 0;
    int frame = isData ? TortureLayout.DATA + random.nextInt(TortureLayout.DATA_FRAMES) : frame();
    return entryTo(frame) | (oneIn(4) ? PageEntry.G : 0) | (oneIn(2) ? PageEntry.D : 0);
  }

  private long table(Mode mode, int level) {
    if (level <= 3 && oneIn(level == 2 ? 6 : 16)) {
      long large = oneIn(2) ? 1L << mode.format().shift(2) : 0;
      return entryTo(0)
          | large
          | PageEntry.PS
          | (oneIn(3) ? PageEntry.G : 0)
          | (oneIn(2) ? PageEntry.D : 0);
    }
    if (oneIn(6)) {
      return entryTo(frame());
    }
    int[] below = mode.tables(level - 1);
    return entryTo(below[random.nextInt(below.length)]);
  }

  private long entryTo(int frame) {
    return (long) frame << 12
        | PageEntry.P
        | (oneIn(4) ? 0 : PageEntry.RW)
        | (oneIn(4) ? 0 : PageEntry.US)
        | (oneIn(2) ? PageEntry.A : 0);
  }

  /** The whole entry and nothing else. */
  void wholly() {
    width = entryBytes;
    shift = 0;
  }

  /** Where to store. */
  long place() {
    return entryPlace + shift;
  }

  int width() {
    return width;
  }

  /** What to store. */
  long value() {
    long low = entryBytes == 8 ? entry : entry | neighbour << 32;
    long high = entryBytes == 8 ? neighbour : low;
    long value = shift == 0 ? low : low >>> 8 * shift | high << 64 - 8 * shift;
    last = value;
    return value & -1L >>> 64 - 8 * width;
  }

  /** What is likely to be found somewhere: what was stored not long ago. */
  long lastValue() {
    return oneIn(2) ? last : 0;
  }

  /** Bytes of an entry as they would stand at an address. */
  long bytes(Mode mode, long address) {
    long low = entry(mode.isPaged() ? mode : Mode.FOUR_LEVEL, 1 + random.nextInt(2));
    if (mode == Mode.TWO_LEVEL) {
      low |= entry(mode, 1) << 32;
    }
    return Long.rotateRight(low, 8 * (int) (address & 7));
  }
}
