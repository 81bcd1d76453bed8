// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.PagingPool;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.paging.PagingDomain;
import java.util.BitSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 6: when the pool is used up, an operation fails before anything has changed that can be
 * seen, or the domain crashes; nothing is thrown, nothing is half done, nothing leaks.
 */
abstract class PoolClause extends Clause {
  private static final int MOST = 64;

  PoolClause(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> aDomainWhosePoolIsTooSmallIsRefusedAndLeavesNothing() {
    return inEach(
        kinds(),
        plan -> {
          Machine machine = Services.machines().create(plan.machine());
          Hypervisor hypervisor = Services.hypervisors().create(machine);
          BitSet free = MemoryGauge.of(hypervisor, machine);
          long needed = 1;
          while (!isEnough(hypervisor, plan.domain().withPool(needed))) {
            assertEquals(free, MemoryGauge.of(hypervisor, machine), plan::toString);
            needed++;
            assertTrue(needed < MOST, () -> plan + ": a pool of " + MOST + " frames is not enough");
          }
          assertEquals(free, MemoryGauge.of(hypervisor, machine), plan::toString);
        },
        Feature.TRANSLATE);
  }

  private boolean isEnough(Hypervisor hypervisor, DomainSpec spec) {
    try {
      hypervisor.destroy(hypervisor.createDomain(backend(), spec));
      return true;
    } catch (BackendUnavailableException tooLittle) {
      return false;
    }
  }

  @TestFactory
  Stream<DynamicTest> aSwapWithTooLittlePoolIsDoneOrChangesNothing() {
    return inEach(
        kinds(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          World world = worlds.subject();
          RandomProgram program = new RandomProgram(worlds, 31);
          program.steps(10);
          for (int spare = 0; spare < 5; spare++) {
            leave(world, spare);
            PagingDomain hold = world.domain().paging();
            long used = world.tableFrames();
            try {
              world.swap(backend());
            } catch (BackendUnavailableException tooLittle) {
              assertEquals(hold, world.domain().paging(), () -> world + ": who holds the domain");
              assertEquals(used, world.tableFrames(), () -> world + ": frames of the pool in use");
            }
            giveMore(world);
            program.steps(10);
            worlds.compareMemory();
            worlds.audit();
          }
        },
        Feature.TRANSLATE);
  }

  @TestFactory
  Stream<DynamicTest> aGuestWhosePoolIsUsedUpGoesOnOrDies() {
    return inEach(
        kinds(),
        plan -> {
          World world = World.of(plan, backend());
          for (int spare = 0; spare < 4 && world.domain().crashReason() == null; spare++) {
            leave(world, spare);
            for (int vcpu = 0; vcpu < world.domain().vcpus(); vcpu++) {
              useOrDie(world, vcpu);
            }
            giveMore(world);
            world.audit();
          }
          world.hypervisor().destroy(world.domain());
        },
        Feature.TRANSLATE);
  }

  private static void useOrDie(World world, int vcpu) {
    for (Slot slot : world.guest().slots()) {
      for (long access : LiveTranslations.ACCESSES) {
        RunResult result = world.guest().run(vcpu, block -> block.probe(access, slot.linear()));
        boolean dead = world.domain().crashReason() != null;
        assertEquals(dead, result == RunResult.DEAD, () -> world + ": " + result);
      }
    }
  }

  @TestFactory
  Stream<DynamicTest> aP2mOperationWithoutPoolAnswersNoMemoryAndChangesNothing() {
    return inEach(
        kinds().stream().filter(plan -> plan.domain().largestOrder() > 0).toList(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          World world = worlds.subject();
          P2m p2m = world.domain().p2m();
          leave(world, 0);
          long[] frames = world.frames();
          for (int gfn = 0; gfn < Guest.FRAMES; gfn += 256) {
            Errno answer = p2m.shatter(Addresses.gfn(gfn));
            assertTrue(answer.isOk() || answer == Errno.ENOMEM, () -> world + ": " + answer);
          }
          assertArrayEquals(frames, world.frames(), world::toString);
          new RandomProgram(worlds, 37).steps(20);
          worlds.compareMemory();
          worlds.audit();
          world.auditP2m();
        },
        Feature.TRANSLATE);
  }

  @TestFactory
  Stream<DynamicTest> aLogWithoutPoolSaysThatItLostWrites() {
    return inEach(
        kinds(),
        plan -> {
          for (int spare = 0; spare < 4; spare++) {
            LockStep worlds = new LockStep(plan, backend());
            leave(worlds.subject(), spare);
            worlds.letDie();
            try {
              logWithoutPool(worlds);
            } catch (LockStep.GuestDied allowed) {
              assertNotNull(worlds.subject().domain().crashReason(), plan::toString);
            }
            worlds.subject().hypervisor().destroy(worlds.subject().domain());
          }
        },
        Feature.TRANSLATE,
        Feature.LOG_DIRTY);
  }

  private static void logWithoutPool(LockStep worlds) {
    World world = worlds.subject();
    Errno enabled = LogDirtyClause.finished(() -> world.domain().logDirty().enable());
    WrittenFrames written = new WrittenFrames(worlds);
    new RandomProgram(worlds, 41).steps(20);
    if (enabled == Errno.OK) {
      expectAllOrNoMemory(world, written.take());
    } else {
      assertEquals(Errno.ENOMEM, enabled, world::toString);
    }
    worlds.audit();
  }

  private static void expectAllOrNoMemory(World world, BitSet written) {
    long[] bitmap = new long[Guest.FRAMES / Long.SIZE];
    Errno answer =
        LogDirtyClause.finished(() -> world.domain().logDirty().clean(bitmap, Guest.FRAMES));
    if (answer == Errno.OK) {
      written.andNot(BitSet.valueOf(bitmap));
      assertTrue(written.isEmpty(), () -> world + ": lost without a word: " + written);
    } else {
      assertEquals(Errno.ENOMEM, answer, world::toString);
    }
  }

  /** Makes the pool so small that so many frames are free. */
  private static void leave(World world, long spare) {
    PagingPool pool = world.domain().pool();
    assertEquals(Errno.OK, pool.resize(pool.used() + spare), world::toString);
  }

  private static void giveMore(World world) {
    PagingPool pool = world.domain().pool();
    assertEquals(Errno.OK, pool.resize(pool.used() + MOST), world::toString);
  }
}
