// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.reference.Shape;
import java.util.function.LongUnaryOperator;

/** Builds page tables entry by entry, taking frames for tables one after the other. */
final class Tables {
  static final long P = 1;
  static final long RW = 2;
  static final long US = 4;
  static final long A = 32;
  static final long D = 64;
  static final long PS = 128;
  static final long G = 256;
  static final long NX = Long.MIN_VALUE;

  /** Everything is allowed and A and D are set already. */
  static final long PLAIN = P | RW | US | A | D;

  private final SparseMemory memory;
  private final Shape shape;
  private final long root;
  private final long tableFlags;
  private final LongUnaryOperator place;
  private long nextTable;

  /**
   * Empty tables.
   *
   * @param root where the root lies; tables follow it
   */
  Tables(SparseMemory memory, Shape shape, long root) {
    this(memory, shape, root, PLAIN & ~D, at -> at);
  }

  /**
   * Empty tables.
   *
   * @param tableFlags of entries that refer to tables
   * @param place where in memory an address of the tables' own address space lies
   */
  Tables(SparseMemory memory, Shape shape, long root, long tableFlags, LongUnaryOperator place) {
    this.memory = memory;
    this.shape = shape;
    this.root = root;
    this.tableFlags = tableFlags;
    this.place = place;
    nextTable = root + 4096;
  }

  /** One past the last table. */
  long end() {
    return nextTable;
  }

  long root() {
    return root;
  }

  /**
   * Where the entry of a level for an address lies in the tables' address space; tables above it
   * are made if need be.
   */
  long entryAddress(long linear, int level) {
    long table = root;
    for (int above = shape.levels(); above > level; above--) {
      long at = table + (long) shape.index(linear, above) * shape.entryBytes();
      long entry = memory.load(place.applyAsLong(at), shape.entryBytes());
      if ((entry & P) == 0) {
        boolean isPdpte = above == 3 && shape.levels() == 3;
        entry = nextTable | (isPdpte ? P : tableFlags);
        memory.store(place.applyAsLong(at), shape.entryBytes(), entry);
        nextTable += 4096;
      }
      table = entry & 0x000ffffffffff000L;
    }
    return table + (long) shape.index(linear, level) * shape.entryBytes();
  }

  /** Writes an entry. */
  void put(long linear, int level, long entry) {
    memory.store(place.applyAsLong(entryAddress(linear, level)), shape.entryBytes(), entry);
  }

  /** Reads an entry. */
  long get(long linear, int level) {
    return memory.load(place.applyAsLong(entryAddress(linear, level)), shape.entryBytes());
  }

  /** Maps a page; PS is added where the level needs it. */
  void map(long linear, int level, long frame, long flags) {
    put(linear, level, frame | flags | (level > 1 ? PS : 0));
  }
}
