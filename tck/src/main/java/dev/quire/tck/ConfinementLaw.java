// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.Domain;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Whatever a guest writes into its tables, nothing is thrown, no frame is reached that is not its
 * own, and at worst it dies alone. Where the guest runs on the bare machine, it is only nothing
 * thrown that is asked for.
 */
abstract class ConfinementLaw extends Clause {
  private static final int ROUNDS = 5;
  private static final long OUTSIDE = 0x3f_ffff_f000L;
  private static final long MARK = 0x0123_4567_89ab_cdefL;

  ConfinementLaw(PagingContract contract) {
    super(contract);
  }

  private boolean confines() {
    return !backend().features().contains(Feature.IDENTITY);
  }

  @TestFactory
  Stream<DynamicTest> tablesOfAnyContentHarmNobodyElse() {
    return inEachPagedWorld(
        world -> {
          Domain other = world.neighbour();
          @Gpa long there = Addresses.gpa(World.NEIGHBOUR);
          other.deviceStore(there, 8, MARK);
          List<Long> entries = entries(world.guest());
          SplittableRandom random = new SplittableRandom(world.toString().hashCode());
          for (int round = 0; round < ROUNDS && world.domain().crashReason() == null; round++) {
            scribble(world, entries, random);
            for (int vcpu = 0; vcpu < world.domain().vcpus(); vcpu++) {
              tryEverything(world, vcpu);
            }
            assertEquals(List.of(), world.domain().paging().audit(), world::toString);
          }
          if (confines()) {
            assertEquals(
                MARK, other.deviceLoad(there, 8), () -> world + ": the neighbour's memory");
          }
          assertNull(other.crashReason(), () -> world + ": the neighbour");
          world.hypervisor().destroy(world.domain());
        });
  }

  /** Every entry on the way to a page; found while the tables still are in order. */
  private static List<Long> entries(Guest guest) {
    List<Long> entries = new ArrayList<>();
    for (int space = 0; space < Guest.ROOTS; space++) {
      for (Slot slot : guest.slots()) {
        for (int level = slot.level(); level <= guest.tables().format().levels(); level++) {
          entries.add(guest.tables().entry(guest.root(space), slot.linear(), level));
        }
      }
    }
    return entries;
  }

  private static void scribble(World world, List<Long> entries, SplittableRandom random) {
    Guest guest = world.guest();
    for (int i = 0; i < 6; i++) {
      @Gpa long entry = Addresses.gpa(entries.get(random.nextInt(entries.size())));
      long word =
          switch (random.nextInt(5)) {
            case 0 -> random.nextLong();
            case 1 -> OUTSIDE | GuestTables.TABLE;
            case 2 -> guest.root(0) | GuestTables.TABLE;
            case 3 -> guest.data(random.nextInt()) | GuestTables.TABLE;
            default -> random.nextInt(Guest.FRAMES) << 12 | GuestTables.TABLE | PageEntry.PS;
          };
      guest.tables().write(entry, word);
    }
  }

  private void tryEverything(World world, int vcpu) {
    Guest guest = world.guest();
    long[] roots = {guest.root(0), guest.root(1), guest.data(1), OUTSIDE & 0xffff_f000L};
    for (long root : roots) {
      run(world, vcpu, block -> block.control(Kind.MOV_CR3, root));
      for (Slot slot : guest.slots()) {
        run(
            world,
            vcpu,
            block -> {
              LiveTranslations.ACCESSES.forEach(access -> block.probe(access, slot.linear()));
              block.load(Access.of(0, true, false), slot.linear(), 8);
              block.store(Access.of(0, true, false), slot.linear(), 8, ~MARK);
              block.control(Kind.INVLPG, slot.linear());
            });
      }
    }
  }

  private void run(World world, int vcpu, Consumer<OperationBlock> program) {
    OperationBlock block = new OperationBlock(16);
    program.accept(block);
    Arrays.fill(block.reached(), FrameMapper.NONE);
    while (block.next() < block.size()) {
      switch (world.vcpu(vcpu).run(block)) {
        case FAULT -> {
          block.reached()[block.next()] = FrameMapper.NONE;
          block.next(block.next() + 1);
        }
        case DEAD, BLOCKED -> {
          return;
        }
        case DONE -> {}
      }
    }
    if (confines()) {
      expectOwnFrames(world, block);
    }
  }

  private static void expectOwnFrames(World world, OperationBlock block) {
    for (int at = 0; at < block.size(); at++) {
      @Maddr long reached = Addresses.maddr(block.reached()[at]);
      if (reached != FrameMapper.NONE && world.machine().memory().isRam(reached)) {
        long gfn = world.domain().mfnToGfn(Addresses.maddrToMfn(reached));
        assertNotEquals(
            FrameMapper.NONE,
            gfn,
            () -> String.format("%s reached 0x%x, which is not its own", world, reached));
      }
    }
  }
}
