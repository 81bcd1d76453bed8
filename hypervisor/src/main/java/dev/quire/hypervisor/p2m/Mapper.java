// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.paging.PagingDomain;

/**
 * The funnel: every change of what a guest frame is, other than a lazy one, passes through {@link
 * #map}, which keeps counts, hooks and the flush in step with the entry. All that can fail comes
 * before the one write.
 */
final class Mapper {
  private final P2mTables tables;
  private final EntryCodec codec;
  private final Recalculation recalculation;
  private final TypeCounts counts;
  private final FlushQueue flushes;
  private final P2mHost host;

  Mapper(P2mCore core, P2mTables tables, Recalculation recalculation) {
    this.tables = tables;
    this.codec = tables.codec();
    this.recalculation = recalculation;
    this.counts = core.counts;
    this.flushes = core.flushes;
    this.host = core.host;
  }

  /**
   * Makes guest frames what is asked, by one entry.
   *
   * @param gfn the first, aligned
   * @param level of the entry
   * @param what a {@link P2mEntry} of the first frame
   * @return ENOMEM if tables were needed and the pool is used up, EBUSY if a frame of another
   *     domain cannot be referred to: nothing has changed
   */
  Errno map(@Gfn long gfn, int level, long what) {
    if (recalculation.resolve(gfn) == Errno.ENOMEM) {
      return Errno.ENOMEM;
    }
    long leaf = codec.encode(what, gfn, tables.covers(level), level);
    int at = tables.deepest(gfn, level);
    @Maddr long slot = tables.slotOf(gfn, at);
    long old = tables.read(slot);
    if (((old ^ leaf) & ~codec.hardwareBits()) == 0 && at == level
        || at > level && old == leaf && leaf == EntryCodec.EMPTY) {
      return Errno.OK;
    }
    long entry = at == level ? leaf : tables.subtree(old, gfn, at, level, leaf);
    if (entry == EntryCodec.EMPTY && at > level) {
      return Errno.ENOMEM;
    }
    long now = codec.decode(leaf, 0, level);
    if (!refer(now, tables.covers(level))) {
      tables.forEachTable(at, entry, tables::free);
      return Errno.EBUSY;
    }
    long replaced = at == level ? old : tables.part(old, gfn, at, level);
    tell(gfn, level, replaced, now, PagingDomain::p2mChanging);
    tables.write(slot, entry);
    tell(gfn, level, replaced, now, PagingDomain::p2mChanged);
    tables.visit(gfn, level, replaced, false, this::left);
    tables.visit(gfn, level, leaf, false, this::entered);
    noteDirt(gfn, level, replaced, now);
    if (codec.isPresent(old)) {
      flushes.request();
    }
    tables.forEachTable(level, replaced, flushes::retire);
    return Errno.OK;
  }

  /** Splits what a frame lies in down to the last level; ENOMEM changes nothing. */
  Errno shatter(@Gfn long gfn) {
    if (recalculation.resolve(gfn) == Errno.ENOMEM) {
      return Errno.ENOMEM;
    }
    int at = tables.deepest(gfn, 1);
    @Maddr long slot = tables.slotOf(gfn, at);
    long old = tables.read(slot);
    if (at == 1 || old == EntryCodec.EMPTY) {
      return Errno.OK;
    }
    long entry = tables.subtree(old, gfn, at, 1, tables.part(old, gfn, at, 1));
    if (entry == EntryCodec.EMPTY) {
      return Errno.ENOMEM;
    }
    tables.write(slot, entry);
    flushes.request();
    return Errno.OK;
  }

  /** Takes references to frames of another domain, to all of them or none. */
  private boolean refer(long what, long frames) {
    if (!isReference(what)) {
      return true;
    }
    for (long i = 0; i < frames; i++) {
      if (!host.m2p().takeReference(Addresses.advance(P2mEntry.mfn(what), i))) {
        unrefer(what, i);
        return false;
      }
    }
    return true;
  }

  private void unrefer(long what, long frames) {
    for (long i = 0; i < frames && isReference(what); i++) {
      host.m2p().putReference(Addresses.advance(P2mEntry.mfn(what), i));
    }
  }

  private static boolean isReference(long what) {
    P2mType type = P2mEntry.type(what);
    return P2mEntry.hasFrame(what) && (type.is(Group.GRANT) || type == P2mType.MAP_FOREIGN);
  }

  /** A mapping is no more: what was kept for it goes. */
  void left(@Gfn long first, int level, long entry, boolean retyped) {
    if (entry == EntryCodec.EMPTY) {
      return;
    }
    long frames = tables.covers(level);
    counts.add(EntryCodec.type(entry), -frames);
    long what = codec.decode(entry, 0, level);
    unrefer(what, frames);
    for (long i = 0; i < frames && isInM2p(what); i++) {
      @Mfn long mfn = Addresses.advance(P2mEntry.mfn(what), i);
      if (host.m2p().gfn(mfn) == inM2p(what, Addresses.advance(first, i))) {
        host.m2p().setGfn(mfn, MachineToPhysical.NOT_MAPPED);
      }
    }
  }

  private void entered(@Gfn long first, int level, long entry, boolean retyped) {
    if (entry == EntryCodec.EMPTY) {
      return;
    }
    long frames = tables.covers(level);
    counts.add(EntryCodec.type(entry), frames);
    long what = codec.decode(entry, 0, level);
    for (long i = 0; i < frames && isInM2p(what); i++) {
      @Mfn long mfn = Addresses.advance(P2mEntry.mfn(what), i);
      host.m2p().setGfn(mfn, inM2p(what, Addresses.advance(first, i)));
    }
  }

  /** Grants and foreign frames are somebody else's guest frames. */
  private static boolean isInM2p(long what) {
    return P2mEntry.hasFrame(what) && P2mEntry.type(what).is(Group.RAM);
  }

  private static long inM2p(long what, @Gfn long gfn) {
    return P2mEntry.type(what).is(Group.SHARED) ? MachineToPhysical.SHARED : gfn;
  }

  /** A guest frame with another machine frame behind it has other contents. */
  private void noteDirt(@Gfn long gfn, int level, long replaced, long now) {
    if (!P2mEntry.hasFrame(now) || !P2mEntry.type(now).is(Group.RAM)) {
      return;
    }
    tables.visit(
        gfn,
        level,
        replaced,
        false,
        (first, at, entry, retyped) -> {
          long before = P2mEntry.mfnOrNone(codec.decode(entry, 0, at));
          if (before != P2mEntry.mfn(now) + (first - gfn)) {
            for (long i = 0; i < tables.covers(at); i++) {
              host.dirtied().accept(Addresses.advance(first, i));
            }
          }
        });
  }

  /** A hook of the backend. */
  @FunctionalInterface
  private interface Hook {
    void call(PagingDomain paging, @Gfn long gfn, int order, long before, long after);
  }

  private void tell(@Gfn long gfn, int level, long replaced, long now, Hook hook) {
    PagingDomain paging = host.backend().get();
    if (paging == null) {
      return;
    }
    tables.visit(
        gfn,
        level,
        replaced,
        false,
        (first, at, entry, retyped) -> {
          long before = tables.mapping(entry, first, at, retyped);
          long after = P2mEntry.advance(now, first - gfn);
          hook.call(paging, first, Long.numberOfTrailingZeros(tables.covers(at)), before, after);
        });
  }
}
