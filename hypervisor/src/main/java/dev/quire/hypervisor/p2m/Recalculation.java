// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Lazy changes of types and memory types ({@code resolve_misconfig}, {@code do_recalc}). A change
 * is marked at the highest entries that lie within its range; hardware traps on a marked entry, and
 * the trap moves the mark one level down on its path until it reaches the mapping, whose type is
 * then a function of {@link TypeRules}.
 *
 * <p>A mark is put on all entries of a table <i>before</i> it is taken from the entry above: in
 * between, an access traps once more for nothing, never once too little.
 */
final class Recalculation {
  private final P2mTables tables;
  private final EntryCodec codec;
  private final TypeRules rules;
  private final TypeCounts counts;
  private final AtomicLong repairs = new AtomicLong();

  Recalculation(P2mTables tables, TypeRules rules, TypeCounts counts) {
    this.tables = tables;
    this.codec = tables.codec();
    this.rules = rules;
    this.counts = counts;
  }

  /** How many entries were found pending and settled, or passed on. */
  long repairs() {
    return repairs.get();
  }

  /** Marks all there is. */
  void markAll(boolean types) {
    for (int i = 0; i < tables.entries(tables.levels()); i++) {
      mark(tables.slotAt(tables.root(), i), types);
    }
  }

  /**
   * Marks a range. Mappings that lie across its ends are split.
   *
   * @return ENOMEM if one could not be: what lies before it is marked
   */
  Errno markRange(@Gfn long first, long count, boolean types) {
    return markRange(tables.root(), tables.levels(), Addresses.gfn(0), first, first + count, types);
  }

  private Errno markRange(
      @Mfn long table, int level, @Gfn long base, @Gfn long first, long end, boolean types) {
    long covers = tables.covers(level);
    long from = Math.max(0, (first - base) / covers);
    for (long i = from; i < tables.entries(level) && base + i * covers < end; i++) {
      @Gfn long start = Addresses.advance(base, i * covers);
      @Maddr long slot = tables.slotAt(table, (int) i);
      if (start >= first && start + covers <= end) {
        mark(slot, types);
        continue;
      }
      Errno done = markInside(slot, level, start, first, end, types);
      if (done != Errno.OK) {
        return done;
      }
    }
    return Errno.OK;
  }

  private Errno markInside(
      @Maddr long slot, int level, @Gfn long start, @Gfn long first, long end, boolean types) {
    long entry = tables.read(slot);
    if (entry == EntryCodec.EMPTY || codec.isPending(entry) && (codec.isRetyped(entry) || !types)) {
      return Errno.OK;
    }
    if (!codec.isTable(entry, level)) {
      if (types && !TypeRules.isChangeable(EntryCodec.type(entry))) {
        return Errno.OK;
      }
      entry = tables.split(entry, start, level);
      if (entry == EntryCodec.EMPTY) {
        return Errno.ENOMEM;
      }
      tables.write(slot, entry);
    }
    return markRange(EntryCodec.tableOf(entry), level - 1, start, first, end, types);
  }

  private void mark(@Maddr long slot, boolean types) {
    long entry;
    do {
      entry = tables.read(slot);
    } while (!tables.replace(slot, entry, codec.mark(entry, types)));
  }

  /**
   * Does what is pending on the way to a frame.
   *
   * @return OK if there was something, ENOENT if not, ENOMEM if a mapping could not be split
   */
  Errno resolve(@Gfn long gfn) {
    boolean fixed = false;
    @Mfn long table = tables.root();
    for (int level = tables.levels(); ; level--) {
      @Maddr long slot = tables.slot(table, gfn, level);
      long entry = tables.read(slot);
      if (codec.isPending(entry)) {
        entry =
            codec.isTable(entry, level)
                ? passOn(slot, entry, level)
                : settle(table, slot, gfn, level);
        if (entry == EntryCodec.EMPTY) {
          return Errno.ENOMEM;
        }
        fixed = true;
        repairs.incrementAndGet();
      }
      if (!codec.isTable(entry, level)) {
        return fixed ? Errno.OK : Errno.ENOENT;
      }
      table = EntryCodec.tableOf(entry);
    }
  }

  private long passOn(@Maddr long slot, long entry, int level) {
    @Mfn long table = EntryCodec.tableOf(entry);
    for (int i = 0; i < tables.entries(level - 1); i++) {
      mark(tables.slotAt(table, i), codec.isRetyped(entry));
    }
    long before;
    do {
      before = tables.read(slot);
    } while (!tables.replace(slot, before, codec.unmark(before)));
    return codec.unmark(before);
  }

  private long settle(@Mfn long table, @Maddr long slot, @Gfn long gfn, int level) {
    if (level > 1 || !codec.settlesWholeTables()) {
      return settle(slot, Addresses.alignDown(gfn, tables.covers(level)), level);
    }
    @Gfn long first = Addresses.alignDown(gfn, tables.covers(2));
    for (int i = 0; i < tables.entries(1); i++) {
      @Maddr long each = tables.slotAt(table, i);
      if (codec.isPending(tables.read(each))) {
        settle(each, Addresses.advance(first, i), 1);
      }
    }
    return tables.read(slot);
  }

  private long settle(@Maddr long slot, @Gfn long first, int level) {
    long old = tables.read(slot);
    long settled = settled(old, first, level);
    if (settled == EntryCodec.MIXED) {
      settled = tables.split(old, first, level);
      if (settled == EntryCodec.EMPTY) {
        return EntryCodec.EMPTY;
      }
    } else {
      counts.add(EntryCodec.type(old), -tables.covers(level));
      counts.add(EntryCodec.type(settled), tables.covers(level));
    }
    tables.write(slot, settled);
    return settled;
  }

  private long settled(long old, @Gfn long first, int level) {
    long frames = tables.covers(level);
    int type = EntryCodec.type(old);
    if (codec.isRetyped(old)) {
      type = rules.recalculated(type, first, frames);
      if (type == MemoryTypes.MIXED) {
        return EntryCodec.MIXED;
      }
    }
    long what = P2mEntry.withType(codec.decode(old, 0, level), type);
    long entry = codec.encode(what, first, frames, level);
    return codec.isPending(entry) ? EntryCodec.MIXED : entry;
  }
}
