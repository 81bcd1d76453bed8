// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.HwEvent;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CounterGroupsTest {
  @Test
  void everyEventIsShownOnce() {
    List<HwEvent> shown = new ArrayList<>();
    CounterGroups.TLB.forEach(
        row -> {
          shown.addAll(row.hits());
          shown.add(row.misses());
        });
    CounterGroups.GROUPS.forEach(group -> shown.addAll(group.events()));
    assertThat(shown).containsExactlyInAnyOrder(HwEvent.values());
  }
}
