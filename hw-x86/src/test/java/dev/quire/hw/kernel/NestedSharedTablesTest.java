// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.EptEntry;
import dev.quire.hw.machine.CpuThreads;
import dev.quire.hw.machine.X86MachineFactory;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.reference.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Two CPUs on two threads, in one guest under nested paging: no A or D bit of either dimension is
 * lost, and after a completed shootdown nobody uses the frame that a guest-physical page had
 * before.
 */
class NestedSharedTablesTest {
  private static final long FOR_A_WHILE = TimeUnit.MILLISECONDS.toNanos(400);
  private static final long LINEAR = 0x40000000;
  private static final long DATA = 0x700000;
  private static final long OFFSET = 0x10000000;
  private static final long NESTED_ROOT = 0x8000000;
  private static final int PAGES = 256;
  private static final int ROUNDS = 400;

  private final ControlBlock[] guests = {new ControlBlock(), new ControlBlock()};
  private Machine machine;
  private SparseMemory memory;
  private Tables guest;
  private Tables nested;
  private long accessed;
  private long dirty;
  private long plain;

  private void begin(Format format) {
    boolean ept = format == Format.EPT;
    CpuProfile profile = CpuProfile.full(ept ? Vendor.INTEL : Vendor.AMD, 36);
    machine =
        new X86MachineFactory()
            .create(MachineSpec.bare(profile).withCpus(2).withTlb(PrimedCpu.WHOLE));
    memory = (SparseMemory) machine.memory();
    accessed = ept ? EptEntry.A : Tables.A;
    dirty = ept ? EptEntry.D : Tables.D;
    plain = ept ? NestedGuest.EPT_LEAF : NestedGuest.NPT_ALL;
    guest = new Tables(memory, Shape.FOUR_LEVEL, 0x1000, Tables.PLAIN & ~Tables.D, a -> a + OFFSET);
    long above = ept ? NestedGuest.EPT_ALL : NestedGuest.NPT_ALL;
    nested = new Tables(memory, Shape.FOUR_LEVEL, NESTED_ROOT, above, a -> a);
    for (int page = 0; page < PAGES; page++) {
      guest.map(LINEAR + 4096L * page, 1, DATA + 4096L * page, Tables.PLAIN);
      nested.map(DATA + 4096L * page, 1, DATA + OFFSET + 4096L * page, plain);
    }
    for (long table = guest.root(); table < guest.end(); table += 4096) {
      nested.map(table, 1, table + OFFSET, plain);
    }
    for (ControlBlock each : guests) {
      each.tag(1);
      each.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
      each.registers().cr3 = guest.root();
      each.registers().cr4 = Cr4.PAE;
      each.registers().efer = Efer.LME | Efer.LMA;
      each.nested().format = format;
      each.nested().levels = 4;
      each.nested().root = NESTED_ROOT;
      each.nested().accessedDirty = ept;
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void noAccessedOrDirtyBitOfEitherDimensionIsLost(Format format) throws Exception {
    begin(format);
    SplittableRandom random = new SplittableRandom(7);
    OperationBlock[] blocks = {new OperationBlock(PAGES), new OperationBlock(PAGES)};
    prepare(blocks, random);
    CyclicBarrier start = new CyclicBarrier(2);
    CyclicBarrier done =
        new CyclicBarrier(
            2,
            () -> {
              check(blocks);
              prepare(blocks, random);
            });
    List<Callable<ExitReason>> tasks = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      int number = i;
      tasks.add(
          () -> {
            for (int round = 0; round < ROUNDS; round++) {
              start.await();
              if (machine.cpu(number).enter(guests[number], blocks[number], Integer.MAX_VALUE)
                  != ExitReason.DONE) {
                throw new AssertionError("an access failed");
              }
              done.await();
            }
            return ExitReason.DONE;
          });
    }
    assertThat(CpuThreads.together(tasks)).containsOnly(ExitReason.DONE);
  }

  /** Both CPUs go through the pages in one order, without any translation; no A or D is set. */
  private void prepare(OperationBlock[] blocks, SplittableRandom random) {
    for (int page = 0; page < PAGES; page++) {
      guest.map(LINEAR + 4096L * page, 1, DATA + 4096L * page, 7);
      nested.map(DATA + 4096L * page, 1, DATA + OFFSET + 4096L * page, plain);
    }
    nested.map(lastTable(), 1, lastTable() + OFFSET, plain);
    for (int i = 0; i < 2; i++) {
      machine.cpu(i).requestFlush();
      blocks[i].clear();
      for (int page = 0; page < PAGES; page++) {
        long kind = random.nextBoolean() ? Access.WRITE : 0;
        blocks[i].probe(Access.of(kind, true, false), LINEAR + page * 4096L);
      }
    }
  }

  private long lastTable() {
    return guest.entryAddress(LINEAR, 1) & -4096L;
  }

  private void check(OperationBlock[] blocks) {
    for (int page = 0; page < PAGES; page++) {
      boolean written = isWritten(page, blocks);
      assertThat(guest.get(LINEAR + 4096L * page, 1))
          .isEqualTo(DATA + 4096L * page | 7 | Tables.A | (written ? Tables.D : 0));
      assertThat(nested.get(DATA + 4096L * page, 1))
          .isEqualTo(DATA + OFFSET + 4096L * page | plain | accessed | (written ? dirty : 0));
    }
    assertThat(nested.get(lastTable(), 1))
        .isEqualTo(lastTable() + OFFSET | plain | accessed | dirty);
  }

  private static boolean isWritten(int page, OperationBlock... blocks) {
    return Arrays.stream(blocks).anyMatch(it -> (it.operations()[page] & Access.WRITE) != 0);
  }

  /** What Xen does before it gives away a frame that a p2m has lost. */
  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void noStaleFrameAfterACompletedShootdownOfAGuestPhysicalPage(Format format) throws Exception {
    begin(format);
    long[] frames = {0x20000000, 0x20001000};
    memory.store(frames[0], 8, 1);
    nested.map(DATA, 1, frames[0], plain);
    AtomicBoolean stop = new AtomicBoolean();
    Callable<ExitReason> reader =
        () -> CpuThreads.loadUntil(stop, machine.cpu(0), guests[0], LINEAR);
    Callable<ExitReason> changer =
        () -> {
          try {
            changeForAWhile(frames);
          } finally {
            stop.set(true);
          }
          return ExitReason.DONE;
        };
    assertThat(CpuThreads.together(List.of(reader, changer))).containsOnly(ExitReason.DONE);
  }

  private void changeForAWhile(long[] frames) {
    Cpu other = machine.cpu(0);
    long end = System.nanoTime() + FOR_A_WHILE;
    for (int now = 1; System.nanoTime() < end; now ^= 1) {
      memory.store(frames[now], 8, 1); // good again
      nested.map(DATA, 1, frames[now], plain);
      long ticket = other.requestFlush();
      while (!other.hasFlushed(ticket)) {
        Thread.onSpinWait();
      }
      memory.store(frames[now ^ 1], 8, 666);
    }
  }
}
