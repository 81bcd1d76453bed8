// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
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
  /** By clause, the simple name of its class: the test methods that failed. */
  final TreeMap<String, TreeSet<String>> failed = new TreeMap<>();

  /** By clause: the test methods that were skipped. */
  final TreeMap<String, TreeSet<String>> skipped = new TreeMap<>();

  int successful;

  private TestPlan plan;

  private ContractRun() {}

  static ContractRun of(Class<? extends PagingContract> contract) {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(DiscoverySelectors.selectClass(contract))
            .build();
    ContractRun run = new ContractRun();
    LauncherFactory.create().execute(request, run);
    return run;
  }

  @Override
  public void testPlanExecutionStarted(TestPlan started) {
    plan = started;
  }

  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    if (result.getStatus() == Status.SUCCESSFUL) {
      successful += test.isTest() ? 1 : 0;
      return;
    }
    MethodSource method = method(test);
    (result.getStatus() == Status.FAILED ? failed : skipped)
        .computeIfAbsent(clause(method), it -> new TreeSet<>())
        .add(method.getMethodName());
  }

  private static String clause(MethodSource method) {
    String name = method.getClassName();
    return name.substring(name.lastIndexOf('$') + 1);
  }

  /** A dynamic test lies below the method that made it. */
  private MethodSource method(TestIdentifier test) {
    Optional<TestIdentifier> now = Optional.of(test);
    while (now.isPresent()) {
      if (now.get().getSource().orElse(null) instanceof MethodSource method) {
        return method;
      }
      now = plan.getParent(now.get());
    }
    throw new IllegalStateException(test + " failed outside of any test");
  }
}
