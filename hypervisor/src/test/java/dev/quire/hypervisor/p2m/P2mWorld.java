// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hypervisor.pool.DomainPool;
import dev.quire.hypervisor.pool.FrameSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * A machine with two domains that have memory, and the p2m of the first one. Frames from 0 on are
 * {@link #OURS}'s, from {@link #theirs} on {@link #THEIRS}'s, the rest is for tables.
 */
final class P2mWorld {
  static final int OURS = 1;
  static final int THEIRS = 2;

  final BareMachine machine;
  final MachineToPhysical m2p;
  final DomainPool pool;
  final long memory;
  final List<Long> dirty = new ArrayList<>();
  final List<String> events = new ArrayList<>();
  final P2mHost host;
  final DomainP2m p2m;
  PagingDomain backend;
  int flushes;

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
    host = new P2mHost(OURS, machine, pool, m2p, () -> flushes++, () -> backend, dirty::add);
    p2m = new DomainP2m(settings, host);
  }

  static P2mSettings small(P2mFormat format, int largestSize) {
    return new P2mSettings(
        format, PagingFormat.FOUR_LEVEL.withIndexBits(2), largestSize, true, true);
  }

  /** The first frame of the other domain. */
  long theirs() {
    return memory;
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
