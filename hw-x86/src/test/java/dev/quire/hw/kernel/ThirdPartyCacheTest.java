// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Counters;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TranslationCache;
import dev.quire.api.hw.TranslationCacheFactory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** A cache that knows nothing of the machine's insides does the same work behind the same seam. */
class ThirdPartyCacheTest {
  @Test
  void aMapForACacheChangesNothingForAGuestThatInvalidates() {
    for (int seed = 0; seed < 6; seed++) {
      MapCache cache = new MapCache();
      MachineSpec spec =
          MachineSpec.bare(CpuProfile.full(Vendor.values()[seed & 1], 40))
              .withRam(RandomTables.RAM)
              .withCache(factory(cache));
      Twins twins = new Twins(spec, false);
      SplittableRandom random = new SplittableRandom(seed);
      new RandomProgram(twins, spec.profile(), random, RandomProgram.COHERENT).run(40);
      twins.compareMemory();
      assertThat(cache.hits).isGreaterThan(100);
      assertThat(cache.drops).isGreaterThan(10);
    }
  }

  private static TranslationCacheFactory factory(TranslationCache cache) {
    return new TranslationCacheFactory() {
      @Override
      public String name() {
        return "map";
      }

      @Override
      public TranslationCache create(int cpu, Counters counters) {
        return cache;
      }
    };
  }
}
