// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gpa;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.PageEntry;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * A guest's mistake is an answer, not an exception: what the machine raises for it, with the same
 * error code.
 */
abstract class MistakeLaw extends Clause {
  private static final int STEPS = 20;
  private static final long NOT_CANONICAL = 0x0800_0000_0000_0000L;

  /**
   * Above the machine's addresses; where execution is disabled; below the address of a large page.
   */
  private static final long[] STRANGE = {
    1L << 45, 1L << 51, PageEntry.NX, 1L << 13, 1L << 20, PageEntry.PS
  };

  MistakeLaw(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> refusedInstructionsRaiseWhatTheMachineRaises() {
    return inEach(
        plans(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          for (int vcpu = 0; vcpu < plan.domain().vcpus(); vcpu++) {
            worlds.run(vcpu, MistakeLaw::refusedInstructions);
          }
          new RandomProgram(worlds, 3).steps(STEPS);
          worlds.audit();
        });
  }

  private static void refusedInstructions(OperationBlock block) {
    block.control(Kind.MOV_CR0, Cr0.PG);
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.NW);
    block.control(Kind.MOV_CR4, 1L << 63);
    block.control(Kind.WRMSR_EFER, 1L << 62);
    block.control(Kind.INVLPG, NOT_CANONICAL);
    block.control(Kind.INVPCID, 0, Invalidation.pack(9, 0));
    block.control(Kind.INVPCID, 0, Invalidation.pack(Invalidation.CONTEXT, 0x1fff));
    block.control(Kind.INVPCID, NOT_CANONICAL, Invalidation.pack(Invalidation.ADDRESS, 0));
    block.control(Kind.HYPERCALL, 0);
    block.load(Access.of(0, false, true), Addresses.gva(NOT_CANONICAL), 8);
  }

  @TestFactory
  Stream<DynamicTest> strangeEntriesFaultAsOnTheMachine() {
    return inEach(
        plans().stream().filter(plan -> plan.mode().isPaged()).toList(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          Guest guest = worlds.subject().guest();
          int bytes = guest.tables().format().entryBytes();
          for (Slot slot : guest.slots()) {
            @Gpa long entry = guest.entry(slot, 0);
            for (long strange : STRANGE) {
              if (bytes == 8 || strange >>> Integer.SIZE == 0 && slot.level() == 1) {
                long leaf = guest.leaf(slot, guest.frame(slot, 1), Guest.LEAF) | strange;
                worlds.deviceStore(entry, bytes, leaf);
                worlds.run(0, block -> block.control(Kind.INVLPG, slot.linear()));
                worlds.run(0, block -> everyProbe(block, slot));
              }
            }
            worlds.deviceStore(entry, bytes, 0);
            worlds.run(0, block -> block.control(Kind.INVLPG, slot.linear()));
          }
          worlds.audit();
        });
  }

  private static void everyProbe(OperationBlock block, Slot slot) {
    LiveTranslations.ACCESSES.forEach(access -> block.probe(access, slot.linear()));
  }
}
