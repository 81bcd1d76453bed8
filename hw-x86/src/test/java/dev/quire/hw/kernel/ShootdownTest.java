// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.reference.Shape;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * A flush that others ask for while the CPU runs, as the order of events in one thread: the cache
 * is where a test can step in between two accesses.
 */
class ShootdownTest {
  private static final long PAGE = 0x12345000;
  private static final int SAFE_POINT = 4096;

  private final Stepping cache = new Stepping();
  private final TestCpu cpu =
      new TestCpu(MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withCache(new Only(cache)));
  private final ControlBlock guest = new ControlBlock();
  private final OperationBlock block = new OperationBlock(3 * SAFE_POINT);

  ShootdownTest() {
    Tables tables = new Tables(cpu.memory, Shape.FOUR_LEVEL, 0x10000);
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    guest.registers().cr0 = Cr0.PE | Cr0.PG;
    guest.registers().cr4 = Cr4.PAE;
    guest.registers().efer = Efer.LME | Efer.LMA;
    guest.registers().cr3 = tables.root();
    while (!block.isFull()) {
      block.probe(Access.of(0, true, false), PAGE);
    }
  }

  private record Only(TranslationCache cache) implements TranslationCacheFactory {
    @Override
    public String name() {
      return "stepping";
    }

    @Override
    public TranslationCache create(int cpu, Counters counters) {
      return cache;
    }
  }

  /** Holds nothing; asks for a flush at one of the lookups and looks whether it is done. */
  private static final class Stepping extends MapCache {
    int lookups;
    int askAt;
    int flushedAt = -1;
    long ticket;
    Cpu cpu;
    final List<Boolean> open = new ArrayList<>();

    @Override
    public long lookup(long access) {
      if (lookups == askAt) {
        ticket = cpu.requestFlush();
      }
      if (ticket != 0) {
        open.add(!cpu.hasFlushed(ticket));
      }
      lookups++;
      return MISS;
    }

    @Override
    public void dropAll() {
      flushedAt = lookups;
    }
  }

  private void run(int askAt) {
    cache.cpu = cpu.cpu;
    cache.askAt = askAt;
    assertThat(cpu.cpu.enter(guest, block, Integer.MAX_VALUE)).isEqualTo(ExitReason.DONE);
    assertThat(cache.lookups).isEqualTo(block.size());
  }

  @Test
  void aRequestIsOpenUntilTheNextSafePointAndDoneThere() {
    run(100);
    assertThat(cache.flushedAt).isEqualTo(SAFE_POINT);
    int until = SAFE_POINT - 100;
    assertThat(cache.open.subList(0, until)).containsOnly(true);
    assertThat(cache.open.subList(until, cache.open.size())).containsOnly(false);
  }

  @Test
  void aRequestAfterTheLastSafePointIsDoneWhenTheCpuComesOut() {
    run(block.size() - 1);
    assertThat(cache.flushedAt).isEqualTo(-1);
    assertThat(cache.open).containsExactly(true);
    assertThat(cpu.cpu.hasFlushed(cache.ticket)).isTrue(); // it will, before it uses anything
    block.next(0);
    cpu.cpu.enter(guest, block, 1);
    assertThat(cache.flushedAt).isEqualTo(block.size());
  }

  @Test
  void anOlderRequestIsDoneWithAYoungerOne() {
    long first = cpu.cpu.requestFlush();
    long second = cpu.cpu.requestFlush();
    assertThat(second).isGreaterThan(first);
    run(5);
    assertThat(cpu.cpu.hasFlushed(first)).isTrue();
    assertThat(cache.open.get(0)).isTrue();
  }
}
