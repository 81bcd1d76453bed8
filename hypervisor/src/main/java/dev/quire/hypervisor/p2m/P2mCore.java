// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.paging.BackendUnavailableException;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One tree, its lock, and what every operation does around its own work.
 *
 * <p>One lock, which its holder may take again (order: before everything else of the domain, as in
 * Xen). Changes make {@link #sequence} odd; {@link #get} takes no lock but reads again if it met a
 * change, since a table may be freed and used anew under a reader's eyes.
 */
final class P2mCore {
  final P2mHost host;
  final RangeSet readOnlyDevices;
  final TypeRules rules;
  final TypeCounts counts = new TypeCounts();
  final FlushQueue flushes;
  final P2mTables tables;
  final Recalculation recalculation;
  private final Mapper mapper;
  private final ReentrantLock lock = new ReentrantLock();
  private final AtomicLong sequence = new AtomicLong();
  private volatile @Gfn long end = Addresses.gfn(0);
  private int changes;
  private boolean dropped;

  /**
   * An empty tree.
   *
   * @throws BackendUnavailableException if the pool has no frame for the root
   */
  P2mCore(P2mSettings settings, P2mHost host, RangeSet readOnlyDevices, TypeRules rules) {
    this.host = host;
    this.readOnlyDevices = readOnlyDevices;
    this.rules = rules;
    @Mfn long root = host.pool().allocate();
    if (root == PagingPool.NONE) {
      throw new BackendUnavailableException("the paging pool has no frame for the p2m's root");
    }
    EntryCodec codec =
        switch (settings.format()) {
          case X86 -> new X86Codec(rules);
          case EPT -> new EptCodec(rules, new MemoryTypes(readOnlyDevices), settings);
        };
    tables = new P2mTables(host.machine().memory(), host.pool(), codec, rules, settings, root);
    flushes = new FlushQueue(host.flusher());
    recalculation = new Recalculation(tables, rules, counts);
    mapper = new Mapper(this, tables, recalculation);
  }

  long get(@Gfn long gfn) {
    long before = sequence.get();
    if ((before & 1) == 0) {
      long entry = tables.get(gfn);
      VarHandle.loadLoadFence();
      if (sequence.get() == before) {
        return entry;
      }
    }
    lock();
    try {
      return tables.get(gfn);
    } finally {
      unlock();
    }
  }

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  boolean isLocked() {
    return lock.isHeldByCurrentThread();
  }

  /** Begins a change. */
  void begin() {
    lock();
    if (changes++ == 0) {
      sequence.incrementAndGet();
      VarHandle.storeStoreFence();
    }
  }

  /** Ends a change: what it must have flushed is. */
  Errno end(Errno result) {
    try {
      flushes.settle(tables);
    } finally {
      if (--changes == 0) {
        sequence.incrementAndGet();
      }
      unlock();
    }
    return result;
  }

  /** One past the highest guest frame that was ever mapped. */
  @Gfn
  long end() {
    return end;
  }

  void end(@Gfn long other) {
    end = Addresses.gfn(Math.max(end, other));
  }

  /** No mapping, as an entry. */
  long nothing() {
    return tables.codec().hole(1);
  }

  /**
   * Makes guest frames what is asked, by the largest mappings that alignment and settings allow.
   *
   * @param what a {@link P2mEntry} of the first frame
   * @return if not OK, the answer of the step that failed: the frames below it are changed, the
   *     others as before
   */
  Errno mapSteps(@Gfn long gfn, long what, long count) {
    for (long done = 0; done < count; ) {
      @Gfn long each = Addresses.advance(gfn, done);
      long part = P2mEntry.advance(what, done);
      int level = largestLevel(each, part, count - done);
      Errno mapped = mapper.map(each, level, part);
      if (mapped != Errno.OK) {
        return mapped;
      }
      done += tables.covers(level);
      if (P2mEntry.type(what) != P2mType.MMIO_DM) {
        end(Addresses.advance(gfn, done));
      }
    }
    return Errno.OK;
  }

  int largestLevel(@Gfn long gfn, long what, long count) {
    long bits = gfn | (P2mEntry.hasFrame(what) ? P2mEntry.mfn(what) : 0);
    int level = tables.settings().largestSize() + 1;
    while (level > 1 && ((bits & tables.covers(level) - 1) != 0 || tables.covers(level) > count)) {
      level--;
    }
    return level;
  }

  Errno shatter(@Gfn long gfn) {
    return mapper.shatter(gfn);
  }

  /** Nothing is mapped any more, as far as M2P, references and counts go. */
  void dropMappings() {
    if (!dropped) {
      tables.visitAll(mapper::left);
      dropped = true;
    }
  }

  /**
   * Frees tables, the lowest first and the root last. Hardware has forgotten them.
   *
   * @param budget how many at most
   * @return whether all are freed
   */
  boolean freeTables(long budget) {
    return tables.freeAll(budget);
  }
}
