// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Guests that change tables and registers as they like, and invalidate or do not: no cached entry
 * is ever older than the last invalidation that covers it, and no access does what no entry allows.
 */
class StalenessTest {
  private static final int PROGRAMS = RandomProgram.programs(8);
  private static final int MANY = 1000;
  private static final int BLOCKS = 25;

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void everyLiveEntryWasInTheTablesSinceItsLastInvalidation(Replacement replacement) {
    for (int seed = 0; seed < PROGRAMS; seed++) {
      watch(seed, replacement);
    }
  }

  @Tag("long")
  @Test
  void everyLiveEntryOfManyProgramsWasInTheTablesSinceItsLastInvalidation() {
    for (int seed = PROGRAMS; seed < MANY; seed++) {
      watch(seed, Replacement.values()[seed % 3]);
    }
  }

  private static void watch(int seed, Replacement replacement) {
    SplittableRandom random = new SplittableRandom(seed);
    CpuProfile profile = CpuProfile.full(Vendor.values()[seed & 1], 36 + random.nextInt(17));
    MachineSpec spec =
        MachineSpec.bare(profile)
            .withRam(RandomTables.RAM)
            .withTlb(RandomGeometry.of(random, replacement));
    Watched watched = new Watched(spec);
    try {
      new RandomProgram(watched, profile, random, RandomProgram.ANYTHING).run(BLOCKS);
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("program " + seed + " on " + spec, e);
    }
    assertThat(watched.checks()).isGreaterThan(BLOCKS);
  }
}
