// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Guests change their mode as they like: every mode of the machine, from every other. */
abstract class ModeLaw extends Clause {
  private static final int STEPS = 12;

  ModeLaw(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> aGuestMayGoFromAnyModeToAnyOther() {
    List<WorldPlan> unpaged = plans().stream().filter(plan -> !plan.mode().isPaged()).toList();
    return inEach(
        unpaged,
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          List<GuestMode> modes = contract().modes(plan.machine());
          for (GuestMode from : modes) {
            for (GuestMode to : modes) {
              visit(worlds, from);
              visit(worlds, to);
            }
          }
          worlds.compareMemory();
        });
  }

  private static void visit(LockStep worlds, GuestMode mode) {
    if (worlds.subject().guest().mode() != mode) {
      worlds.become(mode);
    }
    new RandomProgram(worlds, mode.ordinal()).steps(STEPS);
    worlds.audit();
  }
}
