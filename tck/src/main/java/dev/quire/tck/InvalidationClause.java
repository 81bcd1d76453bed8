// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.PageEntry;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 3: invalidate answers false only if no hardware TLB entry derived from the address can be
 * in use; whatever the guest uses to invalidate, what it has changed is seen afterwards.
 */
abstract class InvalidationClause extends Clause {
  InvalidationClause(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> invlpgMakesAChangedEntryCount() {
    return inEachPagedWorld(
        world -> eachChange(world, (slot, block) -> block.control(Kind.INVLPG, slot.linear())));
  }

  @TestFactory
  Stream<DynamicTest> invlpgWithAnyAddressInThePageDoes() {
    return inEachPagedWorld(
        world ->
            eachChange(
                world,
                (slot, block) ->
                    block.control(Kind.INVLPG, Addresses.advance(slot.linear(), 0xabc))));
  }

  @TestFactory
  Stream<DynamicTest> everyTypeOfInvpcidDoes() {
    List<WorldPlan> plans = plans().stream().filter(plan -> plan.mode().hasPcids()).toList();
    return inEach(
        plans,
        plan -> {
          World world = World.of(plan, backend());
          for (int type = Invalidation.ADDRESS; type <= Invalidation.ALL_NON_GLOBAL; type++) {
            long packed = Invalidation.pack(type, 0);
            eachChange(world, (slot, block) -> block.control(Kind.INVPCID, slot.linear(), packed));
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aGlobalPageGoesByInvlpgAndByChangingTheGlobalBit() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          Slot slot = guest.slots().stream().filter(Slot::isShared).findFirst().orElseThrow();
          long flags = Guest.LEAF | PageEntry.G;
          long cr4 = guest.mode().cr4();
          change(world, slot, guest.leaf(slot, guest.data(3), flags));
          guest.run(0, block -> block.control(Kind.INVLPG, slot.linear()));
          expectSeen(world, slot);
          change(world, slot, guest.leaf(slot, guest.data(4), flags));
          guest.run(
              0,
              block -> {
                block.control(Kind.MOV_CR4, cr4 & ~Cr4.PGE);
                block.control(Kind.MOV_CR4, cr4);
              });
          expectSeen(world, slot);
          world.audit();
        });
  }

  @TestFactory
  Stream<DynamicTest> everyPieceOfALargePageGoes() {
    return inEachPagedWorld(
        world -> {
          Guest guest = world.guest();
          for (Slot slot : guest.slots()) {
            slot.parts().forEach(part -> use(guest, Addresses.gva(part)));
            guest.set(slot, 0, 1, 0);
            guest.run(0, block -> block.control(Kind.INVLPG, slot.linear()));
            LiveTranslations live = LiveTranslations.of(world.vcpu(0));
            for (long part : slot.parts()) {
              List<LiveTranslations.Entry> left = live.covering(Addresses.gva(part));
              assertEquals(List.of(), left, () -> world + ": left behind");
            }
          }
        });
  }

  private static void use(Guest guest, @Gva long linear) {
    guest.run(0, block -> block.probe(Access.of(Access.WRITE, true, false), linear));
  }

  /** For each page: cached, changed to another frame, then taken away, then given back. */
  private static void eachChange(World world, BiConsumer<Slot, OperationBlock> invalidation) {
    Guest guest = world.guest();
    for (Slot slot : guest.slots()) {
      long frame = guest.frame(slot, 7);
      long[] entries = {
        guest.leaf(slot, frame, Guest.LEAF),
        guest.leaf(slot, frame, PageEntry.P | PageEntry.US),
        0,
        guest.leaf(slot, guest.frame(slot, 8), Guest.LEAF)
      };
      for (long entry : entries) {
        change(world, slot, entry);
        guest.run(0, block -> invalidation.accept(slot, block));
        expectSeen(world, slot);
      }
    }
    world.audit();
  }

  /** Has the page cached in every way, then changes its entry behind the caches. */
  private static void change(World world, Slot slot, long entry) {
    Guest guest = world.guest();
    guest.run(
        0,
        block -> {
          block.probe(Access.of(Access.WRITE, true, false), slot.linear());
          block.probe(Access.of(Access.FETCH, true, false), slot.linear());
        });
    guest.run(
        0,
        block ->
            block.store(
                Access.of(0, false, false),
                guest.window(guest.entry(slot, 0)),
                guest.tables().format().entryBytes(),
                entry));
  }

  private static void expectSeen(World world, Slot slot) {
    List<LiveTranslations.Entry> left = LiveTranslations.of(world.vcpu(0)).covering(slot.linear());
    assertEquals(List.of(), left, () -> world + ": left behind");
    for (long access : LiveTranslations.ACCESSES) {
      Expectation.probe(world, 0, access, slot.linear());
    }
    world.expectNothingStale();
  }
}
