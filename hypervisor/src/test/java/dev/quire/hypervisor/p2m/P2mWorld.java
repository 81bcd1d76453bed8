// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hypervisor.pool.DomainPool;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A machine with two domains that have memory, and the p2m of the first one. Frames from 0 on are
 * {@link #OURS}'s, from {@link #theirs} on {@link #THEIRS}'s, the rest is for tables; {@link
 * #DEVICE} and what follows is no memory. Allocations can be made to fail, and a table that is
 * freed before a flush is an error.
 */
final class P2mWorld {
  static final int OURS = 1;
  static final int THEIRS = 2;
  static final long DEVICE = 1 << 20;

  final BareMachine machine;
  final MachineToPhysical m2p;
  final DomainPool pool;
  final long memory;
  final List<Long> dirty = new ArrayList<>();
  final List<String> wrong = new ArrayList<>();
  final P2mHost host;
  final DomainP2m p2m;
  PagingDomain backend;
  Runnable onFlush = () -> {};
  Runnable onAllocation = () -> {};
  int flushes;

  /** How many allocations were asked for, and which one of them fails; 0 for none. */
  int allocations;

  int failing;

  /** Tables that a CPU may know. */
  private final Set<Long> known = new HashSet<>();

  /**
   * A world.
   *
   * @param memory of each of the two domains. Unit: frames
   * @param tables in the pool. Unit: frames
   */
  P2mWorld(P2mSettings settings, long memory, long tables) {
    this.memory = memory;
    machine = new BareMachine(2 * memory + tables);
    m2p = new MachineToPhysical(2 * memory + tables);
    m2p.give(0, memory, OURS);
    m2p.give(memory, memory, THEIRS);
    pool = new DomainPool(new Frames(2 * memory, tables), machine.memory(), m2p, OURS);
    if (pool.resize(tables) != Errno.OK) {
      throw new IllegalStateException("the world is too small");
    }
    host = new P2mHost(OURS, machine, new ShakyPool(), m2p, this::flush, () -> backend, dirty::add);
    p2m = new DomainP2m(settings, host);
  }

  static P2mSettings small(P2mFormat format) {
    return new P2mSettings(format, PagingFormat.FOUR_LEVEL.withIndexBits(2), 2, true, true);
  }

  /** A world of 256 guest frames, with tables of 4 entries. */
  static P2mWorld small(P2mSettings settings) {
    return new P2mWorld(settings, 256, 160);
  }

  private void flush() {
    flushes++;
    known.clear();
    onFlush.run();
  }

  /** A CPU may know these tables from now on. */
  void learn(Set<Long> tables) {
    known.addAll(tables);
  }

  /** The first frame of the other domain. */
  long theirs() {
    return memory;
  }

  /** What must hold, of all that there is. */
  List<String> audit() {
    List<String> all = new ArrayList<>(wrong);
    all.addAll(p2m.audit());
    all.addAll(pool.audit());
    if (pool.used() != p2m.tableFrames()) {
      all.add("pool: " + pool.used() + " in use, the p2m has " + p2m.tableFrames());
    }
    return all;
  }

  /** The pool, if it wants to. */
  private final class ShakyPool implements PagingPool {
    @Override
    public long allocate() {
      onAllocation.run();
      return ++allocations == failing ? NONE : pool.allocate();
    }

    @Override
    public void free(long mfn) {
      if (known.contains(mfn)) {
        wrong.add(String.format("table 0x%x was freed before a flush", mfn));
      }
      pool.free(mfn);
    }

    @Override
    public long used() {
      return pool.used();
    }

    @Override
    public long total() {
      return pool.total();
    }

    @Override
    public Errno resize(long frames) {
      return pool.resize(frames);
    }
  }

  /** Frames for tables, the lowest first. */
  private static final class Frames implements FrameSource {
    private final ArrayDeque<Long> free = new ArrayDeque<>();

    Frames(long first, long count) {
      for (long i = 0; i < count; i++) {
        free.add(first + i);
      }
    }

    @Override
    public long allocate(long count) {
      return free.isEmpty() ? FrameMapper.NONE : free.poll();
    }

    @Override
    public void release(long first, long count) {
      free.addFirst(first);
    }
  }
}
