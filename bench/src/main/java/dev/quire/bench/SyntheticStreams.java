// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Streams that load one thing at a time, the same in every run.
 *
 * <pre>
 *   W1      uniform over 48 pages, three to each set of the first level: hits, of unpredictable pages
 *   W2      99 % as W1, 1 % uniform over 1 GiB
 *   W3      uniform over 262,144 pages of 4 KiB, which is 1 GiB: practically every access walks
 *   rights  pages and accesses of all kinds of rights, one access in three faults: nothing to time,
 *           it shows that kernels check the same
 * </pre>
 */
public final class SyntheticStreams {
  static final int LENGTH = 1 << 22;
  private static final long BASE = 0x7f00_0000_0000L;
  private static final int PAGES = 1 << 18;
  private static final int HOT_PAGES = 48;
  private static final long USER_DATA = PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.NX;

  private long state = 0x51_7569_7265L;

  private SyntheticStreams() {}

  /** W1, W2 or W3. */
  public static Stream byName(String name) {
    return switch (name) {
      case "W1" -> w1();
      case "W2" -> w2();
      case "W3" -> w3();
      default -> throw new IllegalArgumentException("there is no stream " + name);
    };
  }

  static Stream w1() {
    return new SyntheticStreams().data("W1", 0);
  }

  static Stream w2() {
    return new SyntheticStreams().data("W2", 1);
  }

  static Stream w3() {
    return new SyntheticStreams().data("W3", 100);
  }

  /** User-mode reads and, one in four, writes; {@code far} of a hundred anywhere in 1 GiB. */
  private Stream data(String name, int far) {
    long[] operations = new long[LENGTH];
    long access = Access.of(0, true, false);
    long write = Access.of(Access.WRITE, true, false);
    for (int i = 0; i < LENGTH; i++) {
      long page = below(100) < far ? below(PAGES) : (far == 0 ? 0 : PAGES / 2) + below(HOT_PAGES);
      operations[i] = (below(4) == 0 ? write : access) | BASE + (page << 12) + (below(512) << 3);
    }
    return new Stream(name, pagesOf(operations, USER_DATA), operations);
  }

  private static long[] pagesOf(long[] operations, long entry) {
    Set<Long> seen = new LinkedHashSet<>();
    Arrays.stream(operations).map(word -> word & Stream.LINEAR_PAGE).forEach(seen::add);
    return seen.stream().mapToLong(page -> page | entry).toArray();
  }

  static Stream rights() {
    return new SyntheticStreams().mixedRights();
  }

  private Stream mixedRights() {
    int pageCount = 2048;
    long[] pages = new long[pageCount];
    for (int i = 0; i < pageCount; i++) {
      pages[i] = BASE + ((long) i << 12) | randomEntry();
    }
    long[] kinds = {0, 0, Access.WRITE, Access.FETCH};
    long[] operations = new long[1 << 18];
    for (int i = 0; i < operations.length; i++) {
      long access = Access.of(kinds[(int) below(4)], below(2) == 0, below(2) == 0);
      long span = below(8) == 0 ? pageCount + 512 : 64; // beyond the last page nothing is mapped
      operations[i] = access | BASE + (below(span) << 12) + below(4096);
    }
    return new Stream("rights", pages, operations);
  }

  private long randomEntry() {
    long entry = below(16) == 0 ? 0 : PageEntry.P;
    entry |= below(3) == 0 ? 0 : PageEntry.RW;
    entry |= below(3) == 0 ? 0 : PageEntry.US;
    entry |= below(4) == 0 ? PageEntry.G : 0;
    entry |= below(3) == 0 ? PageEntry.NX : 0;
    entry |= below(32) == 0 ? 1L << 50 : 0; // beyond MAXPHYADDR: reserved
    return entry | below(4) << PageEntry.KEY_SHIFT;
  }

  /** SplitMix64, scaled down; bias is of no concern here. */
  private long below(long bound) {
    state += 0x9e3779b97f4a7c15L;
    long z = (state ^ state >>> 30) * 0xbf58476d1ce4e5b9L;
    z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
    return ((z ^ z >>> 31) >>> 32) * bound >>> 32;
  }
}
