// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import org.osgi.annotation.versioning.ConsumerType;

/** A provider of {@link TranslationCache}s, found as a service; the configuration names it. */
@ConsumerType
public interface TranslationCacheFactory {
  /** The name that a configuration chooses it by. */
  String name();

  /**
   * A cache for one CPU.
   *
   * @param cpu number of the CPU
   * @param counters where hits and misses are counted
   */
  TranslationCache create(int cpu, Counters counters);
}
