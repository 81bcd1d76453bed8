// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;

/**
 * Looks through all of the guest's present tables for an address that leads to a given place. Slow,
 * and rare: see {@link StoreRouter}.
 */
final class TableSearch {
  /** No address: not canonical in any format. */
  static final long NOT_FOUND = 1L << 62;

  /** More tables than any recorded guest has; tables that refer to each other must not trap us. */
  private static final int MOST_TABLES = 1 << 20;

  /** Says whether a kernel store to an address, as the tables stand, reaches the place. */
  @FunctionalInterface
  interface Reaches {
    boolean reaches(@Gva long linear);
  }

  private final Domain domain;
  private final PagingContext context;
  private int tables;

  TableSearch(Domain domain) {
    this.domain = domain;
    context = new PagingContext(domain.machine().profile());
  }

  /**
   * The lowest address that the tables map to {@code gpa} and that passes the test.
   *
   * @return the address, or {@link #NOT_FOUND}
   */
  long find(Vcpu vcpu, @Gpa long gpa, Reaches test) {
    context.load(vcpu.registers());
    PagingRules rules = context.rules();
    if (rules == null) {
      return NOT_FOUND;
    }
    tables = 0;
    PagingFormat format = rules.format();
    if (!format.rootInRegisters()) {
      return table(rules, context.root(), format.levels(), 0, gpa, test);
    }
    long found = NOT_FOUND;
    for (int i = 0; i < context.pdptes().length && found == NOT_FOUND; i++) {
      found = entry(rules, context.pdptes()[i], format.levels(), i, 0, gpa, test);
    }
    return found;
  }

  private long table(
      PagingRules rules, long address, int level, long linear, @Gpa long gpa, Reaches test) {
    @Mfn long mfn = domain.gfnToMfn(Addresses.gpaToGfn(Addresses.gpa(address)));
    if (mfn == FrameMapper.NONE || ++tables > MOST_TABLES) {
      return NOT_FOUND;
    }
    long[] frame = domain.machine().memory().frameToRead(mfn);
    boolean wide = rules.format().entryBytes() == 8;
    int entries = rules.format().entries(level);
    for (int i = 0; i < entries; i++) {
      long entry = wide ? frame[i] : frame[i >> 1] >>> 32 * (i & 1) & 0xFFFF_FFFFL;
      long found = entry(rules, entry, level, i, linear, gpa, test);
      if (found != NOT_FOUND) {
        return found;
      }
    }
    return NOT_FOUND;
  }

  private long entry(
      PagingRules rules,
      long entry,
      int level,
      int index,
      long tableLinear,
      @Gpa long gpa,
      Reaches test) {
    if ((entry & PageEntry.P) == 0) {
      return NOT_FOUND;
    }
    int shift = rules.format().shift(level);
    long linear = tableLinear | (long) index << shift;
    if (!rules.mapsPage(entry, level)) {
      return table(rules, rules.table(entry), level - 1, linear, gpa, test);
    }
    long offset = gpa - rules.frame(entry, level);
    if (offset < 0 || offset >>> shift != 0) {
      return NOT_FOUND;
    }
    int spare = rules.format().isLongMode() ? Long.SIZE - rules.format().linearBits() : 0;
    @Gva long candidate = Addresses.gva((linear | offset) << spare >> spare);
    return test.reaches(candidate) ? candidate : NOT_FOUND;
  }
}
