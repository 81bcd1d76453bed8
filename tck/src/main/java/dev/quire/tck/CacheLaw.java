// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.quire.api.paging.PagingBackend;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The law that a backend is a cache: a guest cannot tell which one serves it, nor when it is
 * exchanged; and dropping one loses nothing that belongs to the domain.
 */
abstract class CacheLaw extends Clause {
  private static final int STEPS = 200;
  private static final int BETWEEN = 40;
  private static final int SWAPS = 12;
  private static final int BETWEEN_SWAPS = 15;

  CacheLaw(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> aRandomGuestSeesWhatItSeesOnTheBareMachine() {
    return inEach(
        plans(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          RandomProgram program = new RandomProgram(worlds, plan.toString().hashCode());
          for (int done = 0; done < STEPS; done += BETWEEN) {
            program.steps(BETWEEN);
            worlds.compareMemory();
            worlds.audit();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aGuestDoesNotNoticeThatItsBackendIsAttachedAnew() {
    return inEach(plans(), plan -> swapAmong(plan, List.of(backend())));
  }

  @TestFactory
  Stream<DynamicTest> aGuestDoesNotNoticeThatAnotherBackendTakesOver() {
    return inEach(
        plans(),
        plan -> {
          List<PagingBackend> able = World.of(plan, backend()).ableBackends();
          assertFalse(able.isEmpty(), () -> plan + ": no backend can serve the domain");
          swapAmong(plan, able);
        });
  }

  private void swapAmong(WorldPlan plan, List<PagingBackend> others) {
    LockStep worlds = new LockStep(plan, backend());
    World world = worlds.subject();
    RandomProgram program = new RandomProgram(worlds, plan.toString().hashCode());
    for (int swap = 0; swap < SWAPS; swap++) {
      program.steps(BETWEEN_SWAPS);
      long[] frames = world.frames();
      world.swap(swap % 2 == 0 ? others.get(swap / 2 % others.size()) : backend());
      assertArrayEquals(frames, world.frames(), () -> world + ": the p2m after a swap");
      worlds.compareMemory();
      worlds.audit();
    }
    program.steps(BETWEEN_SWAPS);
    worlds.compareMemory();
    worlds.audit();
  }
}
