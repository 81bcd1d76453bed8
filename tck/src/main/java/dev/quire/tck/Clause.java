// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingBackend.Feature;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

  /**
   * The worlds: guests in every mode on the first machine in the first kind of domain; on the other
   * machines and in the other kinds two modes each, which take turns.
   */
  final List<WorldPlan> plans() {
    List<WorldPlan> plans = new ArrayList<>();
    int turn = 0;
    List<MachineSpec> machines = contract.machines();
    List<DomainSpec> domains = contract.domains();
    for (MachineSpec machine : machines) {
      List<GuestMode> modes = contract.modes(machine);
      for (DomainSpec domain : machine.equals(machines.get(0)) ? domains : domains.subList(0, 1)) {
        int count = plans.isEmpty() ? modes.size() : Math.min(2, modes.size());
        for (int i = 0; i < count; i++) {
          plans.add(new WorldPlan(machine, domain, modes.get(turn++ % modes.size())));
        }
      }
    }
    return plans;
  }

  /**
   * One world for each machine and kind of domain: for what does not depend on the guest's mode.
   */
  final List<WorldPlan> kinds() {
    Map<List<Object>, WorldPlan> kinds = new LinkedHashMap<>();
    plans().forEach(plan -> kinds.put(List.of(plan.machine(), plan.domain()), plan));
    return List.copyOf(kinds.values());
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
