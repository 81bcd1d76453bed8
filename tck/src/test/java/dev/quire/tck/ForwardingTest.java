// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** An operation that is new in the paging interface must not end at a default of ours. */
class ForwardingTest {
  @TestFactory
  Stream<DynamicTest> everyOperationIsPassedOn() {
    return Stream.of(
            methods(PagingBackend.class, ForwardingBackend.class),
            methods(PagingDomain.class, ForwardingDomain.class),
            methods(PagingMode.class, ForwardingMode.class))
        .flatMap(each -> each);
  }

  private static Stream<DynamicTest> methods(Class<?> operations, Class<?> forwarder) {
    return Arrays.stream(operations.getMethods())
        .map(
            method ->
                DynamicTest.dynamicTest(
                    method.toString(), () -> assertThat(overridden(forwarder, method)).isTrue()));
  }

  private static boolean overridden(Class<?> forwarder, Method method) {
    return Arrays.stream(forwarder.getDeclaredMethods())
        .anyMatch(
            own ->
                own.getName().equals(method.getName())
                    && Arrays.equals(own.getParameterTypes(), method.getParameterTypes()));
  }
}
