// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.PageEntry;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 2: after updateCr3 the hardware's root gives a subset of the guest's rights, and no more
 * is left in TLBs than the guest's own invalidations allow.
 */
abstract class RootClause extends Clause {
  private static final long[] RIGHTS = {
    PageEntry.P | PageEntry.RW | PageEntry.US,
    PageEntry.P | PageEntry.US,
    PageEntry.P | PageEntry.RW,
    PageEntry.P,
    0
  };

  RootClause(PagingContract contract) {
    super(contract);
  }

  /** Whatever the first space allows, the second maps to another frame with other rights. */
  private static void fill(Guest guest, int space) {
    int at = space;
    for (Slot slot : guest.slots()) {
      if (!slot.isShared()) {
        guest.set(slot, space, at + 5 * space, RIGHTS[at % RIGHTS.length]);
        at++;
      }
    }
  }

  private static void load(World world, int space) {
    world.guest().run(0, block -> block.control(Kind.MOV_CR3, world.guest().root(space)));
  }

  @TestFactory
  Stream<DynamicTest> anotherRootGivesWhatItsTablesGive() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          fill(guest, 0);
          fill(guest, 1);
          for (int round = 0; round < 4; round++) {
            load(world, round % Guest.ROOTS);
            world.expectNothingStale();
            Expectation.probeAll(world, 0);
            world.expectNothingStale();
            world.audit();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> theSameRootLoadedAgainShowsWhatChangedInItsTables() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          for (int round = 0; round < RIGHTS.length; round++) {
            Expectation.probeAll(world, 0);
            fill(guest, 1 - round % 2);
            guest.run(0, block -> block.control(Kind.MOV_CR3, guest.root(0)));
            for (Slot slot : guest.slots()) {
              if (!slot.isShared()) {
                guest.set(slot, 0, round, RIGHTS[round]);
              }
            }
            load(world, 0);
            world.expectNothingStale();
          }
          Expectation.probeAll(world, 0);
          world.audit();
        });
  }

  @TestFactory
  Stream<DynamicTest> supervisorWritesFollowWriteProtect() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          fill(guest, 0);
          load(world, 0);
          for (int round = 0; round < 4; round++) {
            long cr0 = guest.mode().cr0() & (round % 2 == 0 ? ~Cr0.WP : -1L);
            guest.run(0, block -> block.control(Kind.MOV_CR0, cr0));
            Expectation.probeAll(world, 0);
            world.expectNothingStale();
          }
          world.audit();
        });
  }
}
