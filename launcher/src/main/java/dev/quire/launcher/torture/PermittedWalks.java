// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Rights;
import dev.quire.api.x86.Translation;
import dev.quire.launcher.torture.ModelMemory.Versions;
import dev.quire.launcher.torture.VcpuHistory.Invalidation;
import dev.quire.launcher.torture.VcpuHistory.Tables;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * All walks by which an access may be served: by the tables as they are, and by whatever the CPU
 * may have kept of them (SDM vol. 3, 4.10.2 and 4.10.3). An entry may be used as it was at a time
 * if
 *
 * <ul>
 *   <li>the vCPU had tables of the same PCID then, and read the entries above it no later;
 *   <li>from the highest entry to the lowest, no invalidation came between that concerns structure
 *       entries for the address;
 *   <li>after the last entry was read, none came that concerns the translation;
 *   <li>its A bit was set, as that of every entry that may be kept; for a write the page's D bit
 *       too. Of the entries as they are now the hardware sets them.
 * </ul>
 *
 * A fault does not come from what is kept: the tables are walked again before it is raised.
 */
final class PermittedWalks {
  private static final long ALL_RIGHTS =
      Translation.WRITABLE | Translation.USER | Translation.EXECUTABLE;
  private static final long FOREVER = Long.MAX_VALUE;

  private final ModelMemory memory;
  private final TortureGuest guest;

  /** By level, table and rights: from when on it was looked at. */
  private final Map<Long, Long> looked = new HashMap<>();

  private final List<Long> reached = new ArrayList<>();
  private int[] words = new int[16];
  private long[] bits = new long[16];
  private int visited;

  private VcpuHistory history;
  private Registers registers;
  private long access;
  private long linear;
  private long now;
  private int pcid;
  private boolean isCurrent;
  private long epochEnd;
  private IntPredicate hidden = word -> false;

  PermittedWalks(ModelMemory memory, TortureGuest guest, VcpuHistory any, Registers anyToo) {
    this.memory = memory;
    this.guest = guest;
    history = any;
    registers = anyToo;
  }

  /**
   * Another operation is looked at.
   *
   * @param time now
   * @param written the quadwords to which it stored itself, where A and D cannot be seen any more
   */
  void begin(long time, IntPredicate written) {
    now = time;
    hidden = written;
    visited = 0;
  }

  /**
   * Finds them.
   *
   * @param accessFlags of {@link Access}
   * @param address as the mode has it
   * @return where they lead that agree with the A and D bits in memory
   */
  List<Long> find(VcpuHistory of, Registers with, long accessFlags, long address) {
    history = of;
    registers = with;
    access = accessFlags;
    linear = address;
    reached.clear();
    int current = of.now().pcid();
    of.tables().stream()
        .filter(tables -> tables.rules() != null)
        .mapToInt(Tables::pcid)
        .distinct()
        .forEach(each -> ofPcid(each, each == current));
    return reached;
  }

  private void ofPcid(int each, boolean current) {
    pcid = each;
    isCurrent = current;
    long least = history.forgotten(each, true, linear, 1, 12);
    least = current ? Math.min(least, history.forgotten(each, false, linear, 1, 12)) : least;
    long begin = 0;
    for (Invalidation invalidation : history.invalidations()) {
      if (invalidation.isOfStructures(each)) {
        epoch(begin, invalidation.time(), least);
        begin = invalidation.time();
      }
    }
    epoch(begin, FOREVER, least);
  }

  /** Walks between two invalidations of structure entries. */
  private void epoch(long begin, long end, long least) {
    if (end <= least) {
      return;
    }
    epochEnd = end;
    looked.clear();
    List<Tables> all = history.tables();
    for (int i = 0; i < all.size(); i++) {
      Tables tables = all.get(i);
      long from = Math.max(begin, tables.since());
      PagingRules rules = tables.rules();
      if (rules != null && tables.pcid() == pcid && from < Math.min(end, end(i))) {
        root(tables, rules.format(), from);
      }
    }
  }

  private long end(int tables) {
    List<Tables> all = history.tables();
    return tables + 1 < all.size() ? all.get(tables + 1).since() : FOREVER;
  }

  private void root(Tables tables, PagingFormat format, long from) {
    if (!format.isCanonical(linear)) {
      return;
    }
    long[] latched = tables.pdptes();
    if (latched == null) {
      descend(format, format.levels(), tables.root(), from, ALL_RIGHTS);
      return;
    }
    long entry = latched[format.index(linear, format.levels())];
    boolean refers = (entry & PageEntry.P) != 0;
    if (refers && (entry & tables.paging().reserved(format.levels(), false)) == 0) {
      descend(format, 2, tables.paging().table(entry), from, ALL_RIGHTS);
    }
  }

  private void descend(PagingFormat format, int level, long table, long from, long rights) {
    long key = table | rights << 3 | level;
    Long before = looked.get(key);
    if (before != null && before <= from) {
      return; // all that can follow has followed
    }
    looked.put(key, from);
    int bytes = format.entryBytes();
    long place = table + (long) format.index(linear, level) * bytes;
    if (!ModelMemory.isRam(place)) {
      use(format, level, place, memory.entry(place, bytes), from, FOREVER, rights);
      return;
    }
    int word = (int) (place >>> 3);
    Versions versions = memory.versions(word);
    if (versions == null) {
      long entry = ModelMemory.part(memory.word(word), place, bytes);
      use(format, level, place, entry, from, FOREVER, rights);
      return;
    }
    for (int i = versions.count() - 1; i >= 0 && versions.until(i) > from; i--) {
      long entry = ModelMemory.part(versions.value(i), place, bytes);
      long begin = Math.max(from, versions.since(i));
      use(format, level, place, entry, begin, versions.until(i), rights);
    }
  }

  /** An entry with a value that it had from one time to another. */
  private void use(
      PagingFormat format, int level, long place, long entry, long from, long until, long rights) {
    long end = Math.min(until, epochEnd);
    if (from >= end || (entry & PageEntry.P) == 0) {
      return;
    }
    boolean isPdpte = format.rootInRegisters() && level == format.levels();
    boolean isNow = end == FOREVER && isCurrent;
    boolean kept = isPdpte || (entry & PageEntry.A) != 0;
    List<Tables> all = history.tables();
    for (int i = all.size() - 1; i >= 0 && end(i) > from; i--) {
      Tables tables = all.get(i);
      PagingRules rules = tables.rules();
      long begin = Math.max(from, tables.since());
      if (rules == null
          || !rules.format().equals(format)
          || tables.pcid() != pcid
          || begin >= Math.min(end, end(i))) {
        continue;
      }
      boolean last = isNow && i == all.size() - 1;
      if (last && !isPdpte && ModelMemory.isRam(place)) {
        visit(place, entry, rules.mapsPage(entry, level));
      }
      if (kept) {
        judge(rules, level, place, entry, begin, Math.min(end, end(i)), last, rights);
      } else if (last && isSet(place, PageEntry.A)) {
        judge(rules, level, place, entry, now, FOREVER, true, rights);
      }
    }
  }

  private void judge(
      PagingRules rules,
      int level,
      long place,
      long entry,
      long from,
      long until,
      boolean isNow,
      long rights) {
    boolean page = rules.mapsPage(entry, level);
    if ((entry & rules.reserved(level, page)) != 0) {
      return;
    }
    PagingFormat format = rules.format();
    boolean isPdpte = format.rootInRegisters() && level == format.levels();
    long all = isPdpte ? rights : rights & CurrentWalk.rights(entry);
    if (!page) {
      descend(format, level - 1, rules.table(entry), from, all);
      return;
    }
    long found = rules.leaf(entry, level) | all;
    boolean global = (found & Translation.GLOBAL) != 0;
    int shift = format.shift(level);
    long least = history.forgotten(pcid, global, linear, level, shift);
    boolean kept = Math.max(least, from) < until && (isCurrent || global);
    boolean write = (access & Access.WRITE) != 0;
    boolean dirty = !write || (entry & PageEntry.D) != 0;
    boolean served = kept && dirty || isNow && (dirty || isSet(place, PageEntry.D));
    int flags = history.now().paging().rights();
    if (served && Rights.permit(found, access, flags, registers.pkru, registers.pkrs)) {
      long gpa = Translation.address(found, linear, shift);
      if (!reached.contains(gpa)) {
        reached.add(gpa);
      }
    }
  }

  // ---- A and D ----

  /** Whether hardware has set a bit; where it cannot be seen, it may have. */
  private boolean isSet(long place, long bit) {
    int word = (int) (place >>> 3);
    return hidden.test(word) || (guest.word(word) & bit << 8 * (place & 7)) != 0;
  }

  private void visit(long place, long entry, boolean page) {
    if ((entry & PageEntry.P) == 0) {
      return;
    }
    if (visited == words.length) {
      words = Arrays.copyOf(words, 2 * visited);
      bits = Arrays.copyOf(bits, 2 * visited);
    }
    boolean writes = page && (access & Access.WRITE) != 0;
    words[visited] = (int) (place >>> 3);
    bits[visited++] =
        PageEntry.A << 8 * (place & 7) | (writes ? PageEntry.D << 8 * (place & 7) : 0);
  }

  /** The A and D bits that hardware may have set in the eight bytes from an address on. */
  long bits(long gpa) {
    int at = 8 * (int) (gpa & 7);
    long low = bitsOf((int) (gpa >>> 3)) >>> at;
    return at == 0 ? low : low | bitsOf((int) (gpa >>> 3) + 1) << 64 - at;
  }

  private long bitsOf(int word) {
    long all = 0;
    for (int i = 0; i < visited; i++) {
      all |= words[i] == word ? bits[i] : 0;
    }
    return all;
  }

  /**
   * Takes over the A and D bits that hardware set in entries that it may have walked. Where the
   * operation stored they may have been set before.
   */
  void takeOver() {
    for (int i = 0; i < visited; i++) {
      long before = memory.word(words[i]);
      long seen = hidden.test(words[i]) ? -1 : guest.word(words[i]);
      long set = seen & ~before & bits[i];
      if (set != 0) {
        memory.assist(words[i], before | set, now);
      }
    }
  }

  /** Takes over what A and D bits are left where the operation stored, once that is known. */
  void takeOverStored() {
    for (int i = 0; i < visited; i++) {
      long differs = guest.word(words[i]) ^ memory.word(words[i]);
      if (differs != 0 && hidden.test(words[i]) && (differs & ~bitsOf(words[i])) == 0) {
        memory.assist(words[i], guest.word(words[i]), now + 1);
      }
    }
  }
}
