// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;

/**
 * Decodes ACCESS records: sixteen million of them in a window, so this is the reader's hot path.
 *
 * <p>It goes over a run twice, because one loop for everything needs more registers than there are
 * (measured: half as fast): {@link #operations} reads what was done, {@link PageMap#places} looks
 * up where it went. The first loop reads the forms that are common; {@link #single} reads any form.
 * It is written out to more bytecode (over 325) than the compiler inlines, for in one method the
 * two loops are short of registers again.
 */
final class AccessDecoder {
  /** Tag bits 6-5. */
  private static final int WRITE = 1;

  private static final int FETCH = 2;
  private static final int READ_MODIFY_WRITE = 3;

  /** Bit 3 of the tag: the physical page follows. */
  private static final int EXPLICIT_PAGE = 8;

  /** In {@link #COMMON}: the length is a number of its own. */
  private static final int LENGTH_FOLLOWS = 1;

  /** 15 bytes, as the architecture has it; a fetch with a number for its length has no more. */
  private static final int LONGEST_INSTRUCTION = 15;

  /** No record that {@link #operations} reads is longer: tag, length, eight bytes of a number. */
  private static final int LONGEST_COMMON = 10;

  /** The bits that say that a number goes on in the next byte. */
  private static final long CONTINUED = 0x8080_8080_8080_8080L;

  private static final int MAX_LENGTH = 4096;

  /** By tag: the operation without its address if the form is common, else 0. */
  private static final long[] COMMON = new long[256];

  static {
    for (int tag = Tag.ACCESS; tag < COMMON.length; tag++) {
      if ((tag & EXPLICIT_PAGE) == 0 && (isFetch(tag) || !hasLength(tag))) {
        COMMON[tag] = flags(tag) | (hasLength(tag) ? LENGTH_FOLLOWS : 0);
      }
    }
  }

  private final TraceInput input;
  private final PageMap pages = new PageMap();
  private long nextFetch;
  private long lastData;
  private int lastLength;

  AccessDecoder(TraceInput input) {
    this.input = input;
  }

  /** Length of the last access read, if it was a data access. Unit: bytes. */
  int lastLength() {
    return lastLength;
  }

  /**
   * Decodes records into {@code operations} and {@code expected} from index {@code from}, up to
   * index {@code to} or up to a record that is no ACCESS, whichever comes first.
   *
   * @return the index after the last one written
   */
  int run(long[] operations, long[] expected, int from, int to) {
    int i = from;
    while (i < to) {
      input.require(TraceInput.SLACK);
      int at = input.at();
      int room = (input.end() - at) / LONGEST_COMMON;
      int until = Math.min(to, i + room);
      int next = operations(input.bytes(), at, operations, i, until, nextFetch, lastData);
      if (next == i) {
        if (!input.nextIsAccess()) {
          break;
        }
        single(input.u8(), operations, expected, next++);
        input.check();
      } else if (!pages.places(operations, expected, i, next)) {
        throw input.failure("an access to a page whose place in memory was never given");
      }
      i = next;
    }
    return i;
  }

  /**
   * The first loop, from index {@code i} until {@code until}; the buffer holds as many records.
   *
   * @param at where the first of them is
   * @param fetch where the next instruction is fetched
   * @param data the last data address
   */
  private int operations(
      byte[] bytes, int at, long[] operations, int i, int until, long fetch, long data) {
    for (int next = at; i < until; i++, at = next) {
      long word = (long) TraceInput.QUADWORD.get(bytes, at);
      long common = COMMON[(int) word & 0xFF];
      next = at + 2;
      if ((word & 0xFFE8) == 0xC0) { // most of all: fetch the next instruction
        operations[i] = fetch & Operation.ADDRESS | common;
        fetch += word & 7;
        continue;
      }
      if ((common & LENGTH_FOLLOWS) != 0) {
        word >>>= 8;
        next++;
        if ((word - 1 & 0xFF) >= LONGEST_INSTRUCTION) {
          break;
        }
      }
      long z = word >>> 8 & 0x7F;
      if ((word & 0x8000) != 0) {
        long groups = (long) TraceInput.QUADWORD.get(bytes, next - 1);
        int zeros = Long.numberOfTrailingZeros(~groups & CONTINUED);
        if (zeros == Long.SIZE) break;
        groups &= -1L >>> 63 - zeros; // the seven low bits of each byte are brought together
        groups = groups & 0x007F_007F_007F_007FL | (groups & 0x7F00_7F00_7F00_7F00L) >>> 1;
        groups = groups & 0x0000_3FFF_0000_3FFFL | (groups & 0x3FFF_0000_3FFF_0000L) >>> 2;
        z = groups & 0x0FFF_FFFFL | (groups & 0x0FFF_FFFF_0000_0000L) >>> 4;
        next += zeros >>> 3;
      }
      if (common == 0) break;
      if (common < 0) {
        fetch += z >>> 1 ^ -(z & 1);
        operations[i] = fetch & Operation.ADDRESS | common & ~LENGTH_FOLLOWS;
        fetch += word & LONGEST_INSTRUCTION;
      } else {
        data += z >>> 1 ^ -(z & 1);
        operations[i] = data & Operation.ADDRESS | common;
      }
    }
    return finish(fetch, data, at, i);
  }

  private int finish(long fetch, long data, int at, int i) {
    nextFetch = fetch;
    lastData = data;
    if (at > input.at()) {
      lastLength = lastLength(input.bytes(), input.at(), at);
      input.seek(at);
    }
    return i;
  }

  /**
   * The length in the last tag before {@code end}: behind a common data record's tag no byte but
   * the last has bit 7 clear. Looked up here once for a run rather than kept up to date in the
   * loop.
   */
  private static int lastLength(byte[] bytes, int start, int end) {
    int tagAt = end - 2;
    while (tagAt > start && bytes[tagAt - 1] < 0) {
      tagAt--;
    }
    return 1 << (bytes[tagAt] & 7);
  }

  /** Reads the record behind {@code tag}, whatever its form. */
  void single(int tag, long[] operations, long[] expected, int i) {
    long length = hasLength(tag) ? input.uv() : shortLength(tag);
    long delta = input.sv();
    long va = (isFetch(tag) ? nextFetch : lastData) + delta;
    if (length < 1 || length > MAX_LENGTH) {
      throw input.failure("an access of " + Long.toUnsignedString(length) + " bytes");
    }
    if ((tag & EXPLICIT_PAGE) != 0) {
      learn(va, input.uv());
    }
    if (isFetch(tag)) {
      nextFetch = va + length;
    } else {
      lastData = va;
    }
    lastLength = (int) length;
    operations[i] = va & Operation.ADDRESS | flags(tag);
    if (va << 7 >> 7 != va || !pages.places(operations, expected, i, i + 1)) {
      throw input.failure(
          "the physical page of address 0x" + Long.toHexString(va) + " was never given");
    }
  }

  /** Only addresses that an operation can hold enter the map. */
  private void learn(long va, long physicalPage) {
    if (va << 7 >> 7 != va) {
      throw input.failure("address 0x" + Long.toHexString(va) + " is not canonical");
    }
    if (physicalPage >>> 40 != 0) {
      throw input.failure("physical page 0x" + Long.toHexString(physicalPage) + " exceeds 2^40");
    }
    pages.put(va >>> 12, physicalPage);
  }

  private static boolean isFetch(int tag) {
    return (tag >>> 5 & 3) == FETCH;
  }

  private static boolean hasLength(int tag) {
    return (tag & 7) == (isFetch(tag) ? 0 : 7);
  }

  private static int shortLength(int tag) {
    return isFetch(tag) ? tag & 7 : 1 << (tag & 7);
  }

  private static long flags(int tag) {
    int kind = tag >>> 5 & 3;
    boolean writes = kind == WRITE || kind == READ_MODIFY_WRITE;
    long access = kind == FETCH ? Access.FETCH : writes ? Access.WRITE : 0;
    return Access.of(access, (tag & 0x10) != 0, true);
  }
}
