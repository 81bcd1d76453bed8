// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.paging.PagingBackend;
import java.util.ServiceLoader;
import java.util.function.Predicate;

/** Finds what the bundles provide, on the plain class path. */
final class Services {
  private Services() {}

  /** The only provider of a type. */
  static <T> T only(Class<T> type) {
    return first(type, provider -> true);
  }

  /** The baseline of every comparison: the guest owns the machine. */
  static PagingBackend nativePaging() {
    return first(PagingBackend.class, backend -> backend.name().equals("native"));
  }

  /** The first provider that is wanted. */
  static <T> T first(Class<T> type, Predicate<T> wanted) {
    return ServiceLoader.load(type).stream()
        .map(ServiceLoader.Provider::get)
        .filter(wanted)
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("nothing provides " + type.getName()));
  }
}
