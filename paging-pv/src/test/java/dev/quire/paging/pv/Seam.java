// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** Puts a defect between a caller and an interface. */
final class Seam {
  private Seam() {}

  /** What becomes of a call. */
  @FunctionalInterface
  interface Defect {
    /**
     * One call.
     *
     * @param call makes it, as it should be
     */
    @Nullable Object call(String method, Object[] arguments, Callable<Object> call)
        throws Exception;
  }

  static <T> T between(Class<T> type, T real, Defect defect) {
    Object made =
        Proxy.newProxyInstance(
            Seam.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              Object[] given = arguments == null ? new Object[0] : arguments;
              try {
                return defect.call(method.getName(), given, () -> method.invoke(real, arguments));
              } catch (InvocationTargetException thrown) {
                throw thrown.getTargetException();
              }
            });
    return type.cast(made);
  }
}
