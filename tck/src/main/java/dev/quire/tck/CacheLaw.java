// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The law that a backend is a cache: a guest cannot tell which one serves it, nor when it is
 * exchanged.
 */
abstract class CacheLaw extends Clause {
  private static final int STEPS = 200;
  private static final int BETWEEN = 40;

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
}
