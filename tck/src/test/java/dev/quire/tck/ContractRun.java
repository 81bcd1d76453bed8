// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs a contract apart from the build's own tests and remembers what came of it. */
final class ContractRun implements TestExecutionListener {
  private final Set<String> failed = new TreeSet<>();
  private final Set<String> skipped = new TreeSet<>();
  private int successful;
  private TestPlan plan;

  private ContractRun() {}

  /** The whole contract. */
  static ContractRun of(Class<? extends PagingContract> contract) {
    return run(DiscoverySelectors.selectClass(contract));
  }

  /** One of its clauses or laws. */
  static ContractRun of(Class<? extends PagingContract> contract, Class<? extends Clause> clause) {
    return run(DiscoverySelectors.selectNestedClass(List.of(contract), clause));
  }

  private static ContractRun run(DiscoverySelector selector) {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request().selectors(selector).build();
    ContractRun run = new ContractRun();
    LauncherFactory.create().execute(request, run);
    return run;
  }

  /** The test methods that failed in at least one world. */
  Set<String> failed() {
    return failed;
  }

  /** The test methods that were skipped. */
  Set<String> skipped() {
    return skipped;
  }

  /** How many tests passed. */
  int successful() {
    return successful;
  }

  @Override
  public void testPlanExecutionStarted(TestPlan started) {
    plan = started;
  }

  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    if (result.getStatus() == Status.SUCCESSFUL) {
      successful += test.isTest() ? 1 : 0;
    } else {
      (result.getStatus() == Status.FAILED ? failed : skipped).add(method(test));
    }
  }

  /** A dynamic test lies below the method that made it. */
  private String method(TestIdentifier test) {
    Optional<TestIdentifier> now = Optional.of(test);
    while (now.isPresent()) {
      if (now.get().getSource().orElse(null) instanceof MethodSource method) {
        return method.getMethodName();
      }
      now = plan.getParent(now.get());
    }
    throw new IllegalStateException(test + " ended outside of any test method");
  }
}
