// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.conform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.guest.WorkloadMonitor;
import dev.quire.launcher.conform.Conformance.Result;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** All backends show a guest the same, whatever its entries and registers say. */
class AccessMatrixTest {
  private static final long STATES = 15_114_240;

  private static Map<String, Result> check(int every) {
    List<String> names = List.of("native", "shadow", "shadow-classic", "hap-npt", "hap-ept");
    return new AccessMatrix(
            ConformanceTest.machines(),
            ConformanceTest.hypervisors(),
            names.stream().map(ConformanceTest::backend).toList(),
            3)
        .check(every, WorkloadMonitor.NONE);
  }

  @Test
  void statesAreAllThatCanBeToldApart() {
    assertThat(MatrixStates.cpus()).doesNotHaveDuplicates().hasSize(120);
    assertThat(MatrixStates.entries()).doesNotHaveDuplicates().hasSize(20_992);
  }

  @Test
  void aSampleOfTheStatesIsTheSameUnderEveryBackend() {
    check(499)
        .forEach(
            (name, result) -> {
              assertThat(result.failures()).as(name).isEmpty();
              assertThat(result.passed()).isBetween(STATES / 499 - 120, STATES / 499 + 120);
            });
  }

  @Test
  @Tag("long")
  void everyStateIsTheSameUnderEveryBackend() {
    check(1)
        .forEach(
            (name, result) -> {
              assertThat(result.failures()).as(name).isEmpty();
              assertThat(result.passed()).isEqualTo(STATES);
            });
  }
}
