// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The same guest on the same machine costs the same, to the last count. */
abstract class DeterminismLaw extends Clause {
  private static final int STEPS = 60;

  DeterminismLaw(PagingContract contract) {
    super(contract);
  }

  @TestFactory
  Stream<DynamicTest> theSameRunCountsTheSame() {
    return inEach(kinds(), plan -> assertEquals(counts(plan), counts(plan), plan::toString));
  }

  private List<String> counts(WorldPlan plan) {
    LockStep worlds = new LockStep(plan, backend());
    new RandomProgram(worlds, 11).steps(STEPS);
    World world = worlds.subject();
    List<String> counts = new ArrayList<>();
    for (int cpu = 0; cpu < world.machine().cpus(); cpu++) {
      for (HwEvent event : HwEvent.values()) {
        counts.add(event + " " + world.machine().cpu(cpu).counters().get(event));
      }
    }
    for (int vcpu = 0; vcpu < world.domain().vcpus(); vcpu++) {
      for (ExitReason reason : ExitReason.values()) {
        counts.add(reason + " " + world.vcpu(vcpu).exits(reason));
      }
    }
    world.domain().paging().statistics().forEach((name, count) -> counts.add(name + " " + count));
    return counts;
  }
}
