// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.LogDirty;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Clause 5: every guest write after enable or clean has returned is in the next answer. The answer
 * may hold more, never less.
 */
abstract class LogDirtyClause extends Clause {
  private static final int ROUNDS = 6;
  private static final int STEPS = 25;

  LogDirtyClause(PagingContract contract) {
    super(contract);
  }

  private Stream<DynamicTest> inEachLoggedWorld(Consumer<WorldPlan> test) {
    return inEach(plans(), test, Feature.LOG_DIRTY);
  }

  @TestFactory
  Stream<DynamicTest> noWriteIsMissed() {
    return inEachLoggedWorld(
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          RandomProgram program = new RandomProgram(worlds, 23);
          program.steps(STEPS); // every page is writable and dirty in the TLBs by now
          enable(worlds.subject());
          WrittenFrames written = new WrittenFrames(worlds);
          for (int round = 0; round < ROUNDS; round++) {
            program.steps(STEPS);
            expectLogged(worlds.subject(), written.take());
            worlds.compareMemory();
            worlds.audit();
            worlds.subject().auditP2m();
          }
          assertEquals(Errno.OK, finished(() -> log(worlds.subject()).disable()));
          assertFalse(log(worlds.subject()).isEnabled());
          program.steps(STEPS);
          worlds.audit();
          worlds.subject().auditP2m();
        });
  }

  @TestFactory
  Stream<DynamicTest> theLogSurvivesTheBackend() {
    return inEachLoggedWorld(
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          World world = worlds.subject();
          RandomProgram program = new RandomProgram(worlds, 29);
          List<PagingBackend> loggers =
              World.of(plan, backend()).ableBackends().stream()
                  .filter(each -> each.features().contains(Feature.LOG_DIRTY))
                  .toList();
          enable(world);
          WrittenFrames written = new WrittenFrames(worlds);
          for (PagingBackend logger : loggers) {
            program.steps(STEPS);
            world.swap(logger);
            assertTrue(log(world).isEnabled(), () -> world + ": logging after a swap");
            program.steps(STEPS);
            expectLogged(world, written.take());
            world.swap(backend());
            program.steps(STEPS);
            expectLogged(world, written.take());
            worlds.audit();
          }
        });
  }

  private static LogDirty log(World world) {
    return world.domain().logDirty();
  }

  private static void enable(World world) {
    assertEquals(Errno.OK, finished(() -> log(world).enable()), () -> world + ": enable");
    assertTrue(log(world).isEnabled(), () -> world + ": enabled");
    assertEquals(Errno.EINVAL, log(world).enable(), () -> world + ": enable twice");
  }

  private static void expectLogged(World world, BitSet written) {
    long[] peeked = new long[Guest.FRAMES / Long.SIZE];
    long[] cleaned = new long[Guest.FRAMES / Long.SIZE];
    LogDirty log = log(world);
    assertEquals(Errno.OK, finished(() -> log.peek(peeked, Guest.FRAMES)), () -> world + ": peek");
    assertEquals(
        Errno.OK, finished(() -> log.clean(cleaned, Guest.FRAMES)), () -> world + ": clean");
    for (long[] answer : new long[][] {peeked, cleaned}) {
      BitSet missed = (BitSet) written.clone();
      missed.andNot(BitSet.valueOf(answer));
      assertTrue(missed.isEmpty(), () -> world + ": not in the log, but written: " + missed);
    }
    assertEquals(List.of(), log.audit(), () -> world + ": audit of the log");
  }

  /** Goes on with a preempted operation until it is done. */
  static Errno finished(Supplier<Errno> operation) {
    Errno answer = operation.get();
    while (answer == Errno.ERESTART) {
      answer = operation.get();
    }
    return answer;
  }
}
