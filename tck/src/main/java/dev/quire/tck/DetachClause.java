// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.paging.PagingBackend;
import java.util.BitSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 7: a backend that is detached, or whose domain is destroyed, has dropped all that it took:
 * frames of the pool, and whatever keeps a frame from being given to somebody else.
 */
abstract class DetachClause extends Clause {
  private static final int ROUNDS = 3;
  private static final int STEPS = 25;

  DetachClause(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> attachedAnewTheBackendTakesNoMoreThanBefore() {
    return inEach(
        kinds(),
        plan -> {
          World world = World.of(plan, backend());
          world.swap(backend());
          long first = world.tableFrames();
          for (int round = 0; round < ROUNDS; round++) {
            Expectation.probeAll(world, 0);
            world.swap(backend());
            assertEquals(first, world.tableFrames(), () -> world + ": frames of the pool in use");
            world.audit();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> whenAnotherBackendHasTakenOverNothingOfThisOneIsLeft() {
    return inEach(
        kinds(),
        plan -> {
          World world = World.of(plan, backend());
          for (PagingBackend other : world.ableBackends()) {
            world.swap(other);
            long alone = world.tableFrames();
            for (int round = 0; round < ROUNDS; round++) {
              world.swap(backend());
              Expectation.probeAll(world, 0);
              world.swap(other);
              String who = world + " after " + backend().name();
              assertEquals(alone, world.tableFrames(), () -> who + ": frames of the pool in use");
              world.audit();
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aDestroyedDomainGivesItsMemoryBack() {
    return inEach(
        kinds(),
        plan -> {
          Machine machine = Services.machines().create(plan.machine());
          Hypervisor fresh = Services.hypervisors().create(machine);
          BitSet all = MemoryGauge.of(fresh, machine);
          LockStep worlds = new LockStep(plan, backend());
          new RandomProgram(worlds, 5).steps(STEPS);
          World world = worlds.subject();
          world.swap(backend());
          world.hypervisor().destroy(world.domain());
          BitSet after = MemoryGauge.of(world.hypervisor(), world.machine());
          assertEquals(all, after, () -> world + ": MiB that can be given to others");
        });
  }
}
