// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.launcher.torture.VcpuHistory.Tables;

/** A walk through the tables as they are, without caches: what an access must come to. */
final class CurrentWalk {
  private static final long ALL_RIGHTS =
      Translation.WRITABLE | Translation.USER | Translation.EXECUTABLE;

  private final ModelMemory memory;
  private final int[] words = new int[5];
  private final long[] expected = new long[5];
  private int depth;
  private int level;
  private int vector;
  private int code;
  private long gpa;
  private long linear;

  CurrentWalk(ModelMemory memory) {
    this.memory = memory;
  }

  /**
   * Walks.
   *
   * @param tables of the vCPU
   * @param registers of the vCPU, for keys
   * @param access flags of {@link Access}
   */
  void walk(Tables tables, Registers registers, long access, long address) {
    depth = 0;
    level = 1;
    vector = 0;
    PagingRules rules = tables.rules();
    boolean isLong = rules != null && rules.format().isLongMode();
    linear = isLong ? address : address & 0xffffffffL;
    if (rules == null) {
      gpa = linear;
    } else if (rules.format().isCanonical(linear)) {
      descend(tables, rules, registers, access);
    } else {
      refuse(Vector.GP, 0);
    }
  }

  private void refuse(int byVector, int withCode) {
    vector = byVector;
    code = withCode;
  }

  private void descend(Tables tables, PagingRules rules, Registers registers, long access) {
    PagingFormat format = rules.format();
    long table = tables.root();
    long rights = ALL_RIGHTS;
    for (level = format.levels(); ; level--) {
      int index = format.index(linear, level);
      boolean isPdpte = format.rootInRegisters() && level == format.levels();
      long entry = isPdpte ? pdpte(tables, index) : read(table, index, format.entryBytes());
      int plain = Rights.errorCode(access, rules.rights());
      if ((entry & PageEntry.P) == 0) {
        refuse(Vector.PF, plain);
        return;
      }
      boolean page = rules.mapsPage(entry, level);
      if ((entry & rules.reserved(level, page)) != 0) {
        refuse(Vector.PF, plain | ErrorCode.P | ErrorCode.RSVD);
        return;
      }
      if (!isPdpte) {
        rights &= rights(entry);
      }
      if (page) {
        leaf(rules, registers, entry, rights, access);
        return;
      }
      table = rules.table(entry);
    }
  }

  private void leaf(PagingRules rules, Registers registers, long entry, long rights, long access) {
    long found = rules.leaf(entry, level) | rights;
    int flags = rules.rights();
    if (!Rights.permit(found, access, flags, registers.pkru, registers.pkrs)) {
      refuse(Vector.PF, Rights.errorCode(found, access, flags, registers.pkru, registers.pkrs));
      return;
    }
    gpa = Translation.address(found, linear, rules.format().shift(level));
    if ((access & Access.WRITE) != 0 && depth > 0) {
      expected[depth - 1] = dirty(expected[depth - 1]);
    }
  }

  /** What an entry permits, as a {@link Translation}. */
  static long rights(long entry) {
    return ((entry & PageEntry.RW) != 0 ? Translation.WRITABLE : 0)
        | ((entry & PageEntry.US) != 0 ? Translation.USER : 0)
        | (entry >= 0 ? Translation.EXECUTABLE : 0);
  }

  private long pdpte(Tables tables, int index) {
    long[] latched = tables.pdptes();
    return latched != null ? latched[index] : memory.entry(tables.root() + index * 8L, 8);
  }

  private long read(long table, int index, int bytes) {
    long place = table + (long) index * bytes;
    long entry = memory.entry(place, bytes);
    if (ModelMemory.isRam(place)) {
      words[depth] = (int) (place >>> 3);
      lowBits = 8 * (int) (place & 7);
      expected[depth++] = PageEntry.A << lowBits;
    }
    return entry;
  }

  /** Where the last entry lies in its quadword. */
  private int lowBits;

  private long dirty(long bits) {
    return bits | PageEntry.D << lowBits;
  }

  // ---- what came of it ----

  boolean isRefused() {
    return vector != 0;
  }

  int vector() {
    return vector;
  }

  int code() {
    return code;
  }

  /** The address as the mode has it. */
  long linear() {
    return linear;
  }

  /** What was reached. */
  long gpa() {
    return gpa;
  }

  /** The level of the last entry that was read. */
  int level() {
    return Math.max(level, 1);
  }

  /** How many entries in memory were read. */
  int depth() {
    return depth;
  }

  /** The quadword of an entry that was read. */
  int word(int at) {
    return words[at];
  }

  /** The bits that hardware sets in it: A, and D in the last one if it writes. */
  long bits(int at) {
    return expected[at];
  }

  /** For people. */
  String outcome() {
    return vector == 0
        ? String.format("0x%x", gpa)
        : String.format("%s, code 0x%x", Vector.describe(vector), code);
  }
}
