// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;

/**
 * Builds page tables of one format in a guest's own memory, from outside, as a boot loader does.
 * The same calls give the same tables at the same guest-physical addresses in every domain.
 */
final class GuestTables {
  /** What an entry that refers to a table has: every right, for leaves to restrict. */
  static final long TABLE = PageEntry.P | PageEntry.RW | PageEntry.US;

  private final Domain domain;
  private final PagingFormat format;
  private @Gfn long next;
  private final @Gfn long end;

  /**
   * Tables in a range of guest frames.
   *
   * @param first first frame of the range
   * @param end one past the last
   */
  GuestTables(Domain domain, PagingFormat format, @Gfn long first, @Gfn long end) {
    this.domain = domain;
    this.format = format;
    this.next = first;
    this.end = end;
  }

  PagingFormat format() {
    return format;
  }

  /** An empty root; what CR3 is loaded with. */
  @Gpa
  long newRoot() {
    return newTable();
  }

  private @Gpa long newTable() {
    if (next == end) {
      throw new IllegalStateException("the guest has no frame left for tables");
    }
    @Gfn long table = next;
    next = Addresses.advance(next, 1);
    return Addresses.gfnToGpa(table);
  }

  /**
   * Writes the entry for an address at a level, with the tables above it.
   *
   * @param level 1, or that of a large page, or above it to hang in a table
   */
  void set(@Gpa long root, @Gva long linear, int level, long entry) {
    @Gpa long table = root;
    for (int above = format.levels(); above > level; above--) {
      @Gpa long slot = slot(table, linear, above);
      if ((read(slot) & PageEntry.P) == 0) {
        boolean bare = format.rootInRegisters() && above == format.levels();
        write(slot, newTable() | (bare ? PageEntry.P : TABLE));
      }
      table = Addresses.gpa(read(slot) & format.frameMask());
    }
    write(slot(table, linear, level), entry);
  }

  /** Where the entry for an address at a level lies; the tables above it are there. */
  @Gpa
  long entry(@Gpa long root, @Gva long linear, int level) {
    @Gpa long table = root;
    for (int above = format.levels(); above > level; above--) {
      table = Addresses.gpa(read(slot(table, linear, above)) & format.frameMask());
    }
    return slot(table, linear, level);
  }

  private @Gpa long slot(@Gpa long table, @Gva long linear, int level) {
    return Addresses.advance(table, (long) format.index(linear, level) * format.entryBytes());
  }

  /** An entry as it stands in guest memory. */
  long read(@Gpa long entry) {
    return domain.deviceLoad(entry, format.entryBytes());
  }

  /** Writes an entry as a device would. */
  void write(@Gpa long entry, long value) {
    domain.deviceStore(entry, format.entryBytes(), value);
  }
}
