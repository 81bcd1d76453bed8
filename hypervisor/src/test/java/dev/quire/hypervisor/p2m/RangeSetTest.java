// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.hypervisor.p2m.RangeSet.Coverage;
import org.junit.jupiter.api.Test;

class RangeSetTest {
  private static final int WORLD = 6;

  /** From every set of six numbers, every range added and removed. */
  @Test
  void itIsTheSetOfItsNumbers() {
    for (int bits = 0; bits < 1 << WORLD; bits++) {
      for (int first = 0; first < WORLD; first++) {
        for (int count = 0; first + count <= WORLD; count++) {
          int range = (1 << count) - 1 << first;
          RangeSet added = of(bits);
          added.add(first, count);
          assertIs(added, bits | range);
          RangeSet removed = of(bits);
          removed.remove(first, count);
          assertIs(removed, bits & ~range);
        }
      }
    }
  }

  private static RangeSet of(int bits) {
    RangeSet set = new RangeSet();
    for (int i = WORLD - 1; i >= 0; i--) {
      if ((bits >>> i & 1) != 0) {
        set.add(i, 1);
      }
    }
    return set;
  }

  private static void assertIs(RangeSet set, int bits) {
    assertThat(set).hasToString(of(bits).toString());
    for (int first = 0; first < WORLD; first++) {
      assertThat(set.contains(first)).isEqualTo((bits >>> first & 1) != 0);
      for (int count = 1; first + count <= WORLD; count++) {
        int part = bits >>> first & (1 << count) - 1;
        Coverage coverage =
            part == 0 ? Coverage.NONE : part == (1 << count) - 1 ? Coverage.ALL : Coverage.SOME;
        assertThat(set.coverage(first, count)).isEqualTo(coverage);
      }
    }
  }
}
