// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.PageEntry;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 1: a fault that is answered by FIXED is fixed. The same access does not come back for ever
 * while nothing changes, and a fault that is the guest's own goes to the guest.
 */
abstract class ProgressClause extends Clause {
  /**
   * Entries that a walk in two dimensions of five levels reads, twice: each may be missing, and
   * then lack a right.
   */
  private static final int FIXES = 70;

  /** An access to a page that was just accessed in the same way finds all that it needs. */
  private static final int ROUNDS = 3;

  ProgressClause(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> everyAccessEndsAfterFewFixes() {
    return inEachWorld(
        world -> {
          for (Slot slot : world.guest().slots()) {
            for (long access : LiveTranslations.ACCESSES) {
              settle(world, slot, access);
            }
          }
          world.audit();
        });
  }

  private static void settle(World world, Slot slot, long access) {
    long last = 0;
    for (int round = 0; round < ROUNDS; round++) {
      long before = world.backend().fixes();
      OperationBlock block = new OperationBlock(1);
      block.probe(access, slot.linear());
      assertNotEquals(RunResult.DEAD, world.vcpu(0).run(block), () -> dead(world, slot));
      last = world.backend().fixes() - before;
      long fixes = last;
      assertTrue(fixes <= FIXES, () -> world + ": " + slot + " took " + fixes + " fixes");
    }
    assertEquals(0, last, () -> world + ": " + slot + " is fixed again and again");
  }

  private static String dead(World world, Slot slot) {
    return world + ": an access to " + slot + " killed the domain: " + world.domain().crashReason();
  }

  @TestFactory
  Stream<DynamicTest> aFaultThatIsTheGuestsGoesToTheGuest() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          long[] faulty = {0, PageEntry.P, PageEntry.P | PageEntry.RW, PageEntry.P | PageEntry.US};
          for (Slot slot : guest.slots()) {
            for (long flags : faulty) {
              guest.set(slot, 0, 1, flags);
              guest.run(0, block -> block.control(Kind.INVLPG, slot.linear()));
              for (long access : LiveTranslations.ACCESSES) {
                Expectation.probe(world, 0, access, slot.linear());
              }
            }
          }
          world.audit();
        });
  }
}
