// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A lookup takes no lock: between any two of its steps the table that it stands in may be freed and
 * be another one.
 */
class InterruptedLookupTest {
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void itAnswersTheOldOrTheNewWhereverItIsInterrupted(P2mFormat format) {
    for (int step = 1; step <= 4; step++) {
      P2mWorld world = P2mWorld.small(P2mWorld.small(format));
      world.p2m.add(0, 0, 4, P2mType.RAM_RW);
      world.p2m.shatter(5);
      int[] steps = {step};
      world.machine.memory().meanwhile =
          () -> {
            if (--steps[0] == 0) {
              world.p2m.set(0, 16, 4, P2mType.RAM_RW, P2mAccess.RWX);
              world.p2m.add(64, 65, 0, P2mType.RAM_RO); // takes the tables that are free now
              world.p2m.add(133, 99, 0, P2mType.RAM_RO);
            }
          };
      assertThat(P2mEntry.mfnOrNone(world.p2m.get(5))).as("step %d", step).isIn(5L, 21L);
      assertThat(steps[0]).isNotPositive();
    }
  }
}
