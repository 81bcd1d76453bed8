// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.guest.trace.Tag;
import dev.quire.guest.trace.TraceWriter;

/**
 * Recordings of a guest in long mode with one table at each level. Page {@code i} of the first 2
 * MiB lies in frame 0x100 + i, except the first four, which are the tables themselves. Everything
 * is writable by user and kernel and has A and D set, unless a test changes {@link #table}.
 */
final class SmallGuest {
  static final long RAM = 16L << 20;
  static final int PML4 = 1;
  static final int TABLE = 4;

  /** P, RW, US, A, D. */
  static final long ENTRY = 0x67;

  /** Flags of FILL and FAULT: a write by the kernel; and by the user. */
  static final int WRITE = 1;

  static final int USER = 4;

  /** The level-1 table. */
  final long[] table = new long[512];

  SmallGuest() {
    for (int i = 0; i < table.length; i++) {
      table[i] = (i < 4 ? i + 1 : 0x100 + i) * 4096L | ENTRY;
    }
  }

  /** Linear address of an entry of the level-1 table, by the page that maps that table. */
  static long entryAt(int i) {
    return 3 * 4096L + i * 8L;
  }

  /** Physical address of an entry of the level-1 table. */
  static long entry(int i) {
    return TABLE * 4096L + i * 8L;
  }

  private static long[] pointingTo(int frame) {
    long[] page = new long[512];
    page[0] = frame * 4096L | ENTRY;
    return page;
  }

  private TraceWriter tables(TraceWriter writer) {
    return writer
        .ptpage(PML4, 3, pointingTo(2))
        .ptpage(2, 2, pointingTo(3))
        .ptpage(3, 1, pointingTo(TABLE))
        .ptpage(TABLE, 0, table);
  }

  /** A base file in which the guest has just turned paging on. */
  TraceWriter base() {
    TraceWriter writer = TraceWriter.base(RAM).number(Tag.CR4, 0x20).number(Tag.CR3, 0x1000);
    writer.number(Tag.EFER, 0x900).number(Tag.CR0, 0x8001_0011L);
    return tables(writer.number(Tag.EFER_IMPLICIT, 0xD00));
  }

  /** A window file behind its initial state. */
  TraceWriter window() {
    TraceWriter writer = TraceWriter.window(RAM).number(Tag.CR0_IMPLICIT, 0x8001_0011L);
    writer.number(Tag.CR4_IMPLICIT, 0x20).number(Tag.EFER_IMPLICIT, 0xD00);
    return tables(writer).number(Tag.CR3_IMPLICIT, 0x1000).u8(Tag.STATE_END);
  }
}
