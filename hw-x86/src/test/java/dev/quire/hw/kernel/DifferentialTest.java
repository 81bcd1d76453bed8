// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.reference.Ambiguity;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random programs on random machines do what the reference does: addresses reached, faults and
 * their codes, registers, memory, and every counter.
 */
class DifferentialTest {
  private static final int PROGRAMS = RandomProgram.programs(20);
  private static final int MANY = 2000;
  private static final int BLOCKS = 40;

  @ParameterizedTest
  @EnumSource(
      value = Replacement.class,
      names = {"LRU", "TREE_PLRU"})
  void countersAreExactWhereReplacementIsDeterministic(Replacement replacement) {
    assertThat(exactPrograms(replacement, PROGRAMS)).isGreaterThan(PROGRAMS * 3 / 4);
  }

  @Tag("long")
  @ParameterizedTest
  @EnumSource(
      value = Replacement.class,
      names = {"LRU", "TREE_PLRU"})
  void countersAreExactOverManyPrograms(Replacement replacement) {
    assertThat(exactPrograms(replacement, MANY)).isGreaterThan(MANY * 3 / 4);
  }

  /** How many programs ran to their end without two entries for one address. */
  private static int exactPrograms(Replacement replacement, int programs) {
    int complete = 0;
    for (int seed = 0; seed < programs; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      TlbGeometry geometry = RandomGeometry.of(random, replacement);
      MachineSpec spec = spec(random, geometry);
      complete += run(spec, random, RandomProgram.ANYTHING, seed) ? 1 : 0;
    }
    return complete;
  }

  @Test
  void aMachineWithoutCachesCountsExactly() {
    for (int seed = 0; seed < (PROGRAMS + 3) / 4; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      MachineSpec spec = spec(random, null);
      run(spec, random, RandomProgram.ANYTHING, seed);
    }
  }

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void cachesChangeNothingForAGuestThatInvalidates(Replacement replacement) {
    for (int seed = 0; seed < (PROGRAMS + 3) / 4; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      MachineSpec spec = spec(random, RandomGeometry.of(random, replacement));
      run(spec, random, RandomProgram.COHERENT, seed);
    }
  }

  @Tag("long")
  @Test
  void cachesChangeNothingForManyGuestsThatInvalidate() {
    for (int seed = 0; seed < MANY; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      Replacement replacement = Replacement.values()[seed % 3];
      MachineSpec spec = spec(random, RandomGeometry.of(random, replacement));
      run(spec, random, RandomProgram.COHERENT, seed);
    }
  }

  private static boolean run(
      MachineSpec spec, SplittableRandom random, boolean coherent, int seed) {
    try {
      Twins twins = new Twins(spec, !coherent);
      new RandomProgram(twins, spec.profile(), random, coherent).run(BLOCKS);
      twins.compareMemory();
      return true;
    } catch (Ambiguity two) {
      return false;
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("program " + seed + " on " + spec, e);
    }
  }

  private static MachineSpec spec(SplittableRandom random, TlbGeometry geometry) {
    Vendor vendor = random.nextInt(3) == 0 ? Vendor.AMD : Vendor.INTEL;
    Set<Feature> features = CpuProfile.allOf(vendor);
    for (Feature feature : EnumSet.of(Feature.PAGE_1G, Feature.PSE36, Feature.INVPCID)) {
      if (random.nextInt(4) == 0) {
        features.remove(feature);
      }
    }
    CpuProfile profile = new CpuProfile(vendor, 36 + random.nextInt(17), features);
    return MachineSpec.bare(profile).withRam(RandomTables.RAM).withTlb(geometry);
  }
}
