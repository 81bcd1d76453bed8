// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.Access;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 4: a p2m change is announced to the backend and reported to it, and when the call returns
 * no TLB of any CPU leads through the old entry.
 */
abstract class P2mClause extends Clause {
  private static final int STEPS = 120;
  private static final int BETWEEN = 10;

  P2mClause(PagingContract contract) {
    super(contract);
  }

  private Stream<DynamicTest> inEachTranslatedWorld(Consumer<World> test) {
    return inEach(plans(), plan -> test.accept(World.of(plan, backend())), Feature.TRANSLATE);
  }

  @TestFactory
  Stream<DynamicTest> aRemappedFrameIsReachedAtItsNewPlaceByEveryVcpu() {
    return inEachTranslatedWorld(
        world -> {
          Guest guest = world.guest();
          for (int i = 0; i < Guest.DATA_FRAMES; i += 2) {
            @Gfn long one = guest.dataFrame(i);
            @Gfn long other = guest.dataFrame(i + 1);
            useEverything(world);
            P2mChanges.exchange(world, one, other);
            expectTold(world, one);
            expectTold(world, other);
            Expectation.probeAll(world, 0);
            Expectation.probeAll(world, 1);
            world.audit();
            world.auditP2m();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aFrameThatIsTakenAwayIsInNoTlbAnyMore() {
    return inEachTranslatedWorld(
        world -> {
          P2m p2m = world.domain().p2m();
          for (int i = 0; i < Guest.DATA_FRAMES; i++) {
            @Gfn long gfn = world.guest().dataFrame(i);
            @Mfn long mfn = world.domain().gfnToMfn(gfn);
            useEverything(world);
            assertEquals(Errno.OK, p2m.remove(gfn, mfn, 0), () -> world + ": remove");
            expectNoWayTo(world, mfn, false);
            expectTold(world, gfn);
            assertEquals(Errno.OK, p2m.add(gfn, mfn, 0, P2mType.RAM_RW), () -> world + ": add");
            expectTold(world, gfn);
            world.audit();
            world.auditP2m();
          }
          Expectation.probeAll(world, 0);
        });
  }

  @TestFactory
  Stream<DynamicTest> aFrameThatBecomesReadOnlyKeepsItsContent() {
    return inEachTranslatedWorld(
        world -> {
          P2m p2m = world.domain().p2m();
          Guest guest = world.guest();
          Slot slot = guest.slots().get(0);
          @Gfn long gfn = guest.dataFrame(0);
          useEverything(world);
          guest.run(0, block -> block.store(Access.of(0, true, true), slot.linear(), 8, 1));
          assertEquals(Errno.OK, p2m.changeType(gfn, P2mType.RAM_RW, P2mType.RAM_RO));
          expectNoWayTo(world, world.domain().gfnToMfn(gfn), true);
          RunResult stored =
              guest.run(0, block -> block.store(Access.of(0, true, true), slot.linear(), 8, 2));
          assertEquals(RunResult.DONE, stored, () -> world + ": a discarded store");
          assertEquals(1, world.domain().deviceLoad(Addresses.gfnToGpa(gfn), 8), world::toString);
          assertEquals(Errno.OK, p2m.changeType(gfn, P2mType.RAM_RO, P2mType.RAM_RW));
          guest.run(0, block -> block.store(Access.of(0, true, true), slot.linear(), 8, 3));
          assertEquals(3, world.domain().deviceLoad(Addresses.gfnToGpa(gfn), 8), world::toString);
          world.audit();
          world.auditP2m();
        });
  }

  @TestFactory
  Stream<DynamicTest> aGuestDoesNotNoticeThatItsFramesMove() {
    return inEach(
        plans(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          World world = worlds.subject();
          SplittableRandom random = new SplittableRandom(13);
          RandomProgram program = new RandomProgram(worlds, 17);
          for (int done = 0; done < STEPS; done += BETWEEN) {
            program.steps(BETWEEN);
            P2mChanges.random(world, random);
            worlds.compareMemory();
            worlds.audit();
            world.auditP2m();
          }
        },
        Feature.TRANSLATE);
  }

  /** Every page in the TLBs of every CPU, for every kind of access that its entry permits. */
  private static void useEverything(World world) {
    for (int vcpu = 0; vcpu < world.domain().vcpus(); vcpu++) {
      for (Slot slot : world.guest().slots()) {
        world.guest().run(vcpu, block -> everyUse(block, slot));
      }
    }
    world.backend().forgetChanges();
  }

  private static void everyUse(OperationBlock block, Slot slot) {
    block.probe(Access.of(Access.WRITE, true, true), slot.linear());
    block.probe(Access.of(0, true, true), slot.linear());
    block.probe(Access.of(Access.FETCH, true, true), slot.linear());
  }

  private static void expectNoWayTo(World world, @Mfn long mfn, boolean toWrite) {
    world.enter();
    List<String> ways = LiveTranslations.leadingTo(world.domain(), mfn, toWrite);
    assertEquals(List.of(), ways, () -> world + ": after the p2m changed");
  }

  private static void expectTold(World world, @Gfn long gfn) {
    List<Watched.P2mChange> changes = world.backend().changes();
    assertTrue(
        changes.stream().anyMatch(change -> change.covers(gfn)),
        () -> world + ": the backend was not told of a change of frame " + gfn);
  }
}
