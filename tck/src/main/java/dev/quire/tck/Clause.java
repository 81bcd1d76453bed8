// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;

/** One part of the contract: tests that are repeated in every world of the backend. */
abstract class Clause {
  private final PagingContract contract;

  Clause(PagingContract contract) {
    this.contract = contract;
  }

  final PagingBackend backend() {
    return contract.backend();
  }

  final PagingContract contract() {
    return contract;
  }

  /** Every machine with every kind of domain, with guests in every mode that the machine offers. */
  final List<WorldPlan> plans() {
    List<WorldPlan> plans = new ArrayList<>();
    for (MachineSpec machine : contract.machines()) {
      for (DomainSpec domain : contract.domains()) {
        for (GuestMode mode : contract.modes(machine)) {
          plans.add(new WorldPlan(machine, domain, mode));
        }
      }
    }
    return plans;
  }

  /** A test in each world. */
  final Stream<DynamicTest> inEachWorld(Consumer<World> test) {
    return inEach(plans(), plan -> test.accept(World.of(plan, backend())));
  }

  /** A test in each world whose guest has tables. */
  final Stream<DynamicTest> inEachPagedWorld(Consumer<World> test) {
    List<WorldPlan> paged = plans().stream().filter(plan -> plan.mode().isPaged()).toList();
    return inEach(paged, plan -> test.accept(World.of(plan, backend())));
  }

  /** A test for each plan, or one that is skipped if the backend lacks what it is about. */
  final Stream<DynamicTest> inEach(
      List<WorldPlan> plans, Consumer<WorldPlan> test, Feature... needed) {
    for (Feature feature : needed) {
      if (!backend().features().contains(feature)) {
        return skipped("the backend " + backend().name() + " does not declare " + feature);
      }
    }
    return plans.stream()
        .map(plan -> DynamicTest.dynamicTest(plan.toString(), () -> test.accept(plan)));
  }

  /** No test, with the reason. */
  static Stream<DynamicTest> skipped(String reason) {
    return Stream.of(DynamicTest.dynamicTest(reason, () -> Assumptions.abort(reason)));
  }
}
