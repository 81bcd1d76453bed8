// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.paging.BackendUnavailableException;

/**
 * Writes all that one tree says into another, empty one, of another format or shape. What is
 * pending is applied on the way. The old tree, the M2P and references stay as they are: each entry
 * of the new tree stands for one of the old.
 */
final class Conversion {
  private final P2mCore from;
  private final P2mCore to;

  Conversion(P2mCore from, P2mCore to) {
    this.from = from;
    this.to = to;
  }

  /**
   * Does it.
   *
   * @throws BackendUnavailableException if the new format cannot hold something or the pool does
   *     not suffice; the new tree is incomplete then
   */
  void run() {
    from.tables.visitAll(this::copy);
    to.end(from.end());
  }

  private void copy(@Gfn long first, int level, long entry, boolean retyped) {
    if (entry == EntryCodec.EMPTY) {
      return;
    }
    int type = EntryCodec.type(entry);
    if (retyped) {
      type = from.rules.recalculated(type, first, from.tables.covers(level));
      if (type == MemoryTypes.MIXED) {
        inParts(first, level, entry);
        return;
      }
    }
    long what = P2mEntry.withType(from.tables.codec().decode(entry, 0, level), type);
    if (!to.tables.codec().canHold(what)) {
      throw new BackendUnavailableException(
          String.format(
              "guest frame 0x%x is %s, which %s tables cannot hold",
              first, P2mEntry.describe(what), to.tables.settings().format()));
    }
    write(first, what, from.tables.covers(level));
  }

  private void inParts(@Gfn long first, int level, long entry) {
    long covers = from.tables.covers(level - 1);
    for (long done = 0; done < from.tables.covers(level); done += covers) {
      @Gfn long each = Addresses.advance(first, done);
      copy(each, level - 1, from.tables.part(entry, each, level), true);
    }
  }

  /** The new tree has no hardware, no backend and no pending entries: writing is all there is. */
  private void write(@Gfn long first, long what, long count) {
    P2mTables tables = to.tables;
    if (first + count > 1L << tables.width()) {
      throw new BackendUnavailableException(
          String.format("guest frame 0x%x is beyond tables of %d levels", first, tables.levels()));
    }
    for (long done = 0; done < count; ) {
      @Gfn long each = Addresses.advance(first, done);
      long part = P2mEntry.advance(what, done);
      int level = to.largestLevel(each, part, count - done);
      long leaf = tables.codec().encode(part, each, tables.covers(level), level);
      int at = tables.deepest(each, level);
      @Maddr long slot = tables.slotOf(each, at);
      long place = at == level ? leaf : tables.subtree(EntryCodec.EMPTY, each, at, level, leaf);
      if (place == EntryCodec.EMPTY) {
        throw new BackendUnavailableException(
            "the paging pool does not hold the p2m in both formats at once");
      }
      tables.write(slot, place);
      to.counts.add(P2mEntry.type(what).ordinal(), tables.covers(level));
      done += tables.covers(level);
    }
  }
}
