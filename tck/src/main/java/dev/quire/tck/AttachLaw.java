// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.domain.Hypervisor;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.paging.PagingDomain;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Attaching is all or nothing: who cannot serve says so, and nothing has changed. */
abstract class AttachLaw extends Clause {
  private static final int STEPS = 30;

  AttachLaw(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> aMachineThatCannotServeIsRefusedAndKeepsItsMemory() {
    List<MachineSpec> machines = contract().unsuitableMachines();
    if (machines.isEmpty()) {
      return skipped("every machine suits the backend " + backend().name());
    }
    return machines.stream()
        .map(
            machine ->
                DynamicTest.dynamicTest(
                    machine.profile().toString(),
                    () -> expectRefusal(machine, contract().domains().get(0))));
  }

  @Test
  void aDomainWithFramesOfItsOwnIsRefusedByABackendThatDoesNotTranslate() {
    Assumptions.assumeFalse(
        backend().features().contains(Feature.TRANSLATE), "the backend translates");
    expectRefusal(contract().machines().get(0), PagingContract.domain(Placement.SCATTERED));
  }

  private void expectRefusal(MachineSpec spec, DomainSpec domain) {
    Machine machine = Services.machines().create(spec);
    Hypervisor hypervisor = Services.hypervisors().create(machine);
    BitSet before = MemoryGauge.of(hypervisor, machine);
    assertThrows(
        BackendUnavailableException.class, () -> hypervisor.createDomain(backend(), domain));
    assertEquals(before, MemoryGauge.of(hypervisor, machine), "memory free before and after");
  }

  @TestFactory
  Stream<DynamicTest> aSwapThatIsRefusedLeavesTheOldBackendRunning() {
    return inEach(
        kinds(),
        plan -> {
          LockStep worlds = new LockStep(plan, backend());
          RandomProgram program = new RandomProgram(worlds, 7);
          for (boolean late : new boolean[] {false, true}) {
            program.steps(STEPS);
            expectRefusal(worlds.subject(), new Refusing(backend(), late));
            program.steps(STEPS);
            worlds.compareMemory();
            worlds.audit();
          }
        });
  }

  private static void expectRefusal(World world, PagingBackend refusing) {
    PagingDomain hold = world.domain().paging();
    long used = world.tableFrames();
    assertThrows(
        BackendUnavailableException.class, () -> world.hypervisor().swap(world.domain(), refusing));
    assertEquals(hold, world.domain().paging(), "who holds the domain");
    assertEquals(used, world.tableFrames(), "frames of the pool in use");
  }

  /** Refuses: before it has done anything, or when it has done all. */
  private static final class Refusing extends ForwardingBackend {
    private final boolean late;

    Refusing(PagingBackend inner, boolean late) {
      super(inner);
      this.late = late;
    }

    @Override
    public PagingDomain attach(Domain domain) {
      if (late) {
        super.attach(domain).detach();
      }
      throw new BackendUnavailableException("refused on purpose");
    }
  }
}
