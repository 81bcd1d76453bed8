// SPDX-License-Identifier: Apache-2.0
package org.example.tlb;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;

/** What {@code META-INF/services} names. */
public final class PerfectTlbFactory implements TranslationCacheFactory {
  @Override
  public String name() {
    return "perfect";
  }

  @Override
  public TranslationCache create(int cpu, Counters counters) {
    return new PerfectTlb(counters);
  }
}
