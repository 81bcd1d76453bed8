// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.PagingFormat;
import dev.quire.hw.machine.X86MachineFactory;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kernels that are hidden classes, as users run them, and kernels that are ordinary classes, as
 * tests and tools see them, behave alike on the same streams.
 */
class KernelFormsTest {
  private static final int PROGRAMS = 2;
  private static final int BLOCKS = 60;

  static Set<String> presets() {
    return new X86MachineFactory().presets().keySet();
  }

  @ParameterizedTest
  @MethodSource("presets")
  void bothFormsAgreeOnEveryPreset(String preset) {
    TlbGeometry geometry = new X86MachineFactory().presets().get(preset).geometry();
    compare(geometry, PROGRAMS);
  }

  @ParameterizedTest
  @MethodSource("presets")
  @Tag("long")
  void bothFormsAgreeOnEveryPresetOverManyPrograms(String preset) {
    TlbGeometry geometry = new X86MachineFactory().presets().get(preset).geometry();
    compare(geometry, 100);
  }

  @Test
  void bothFormsAgreeOnTheOtherReplacements() {
    for (Replacement replacement : new Replacement[] {Replacement.TREE_PLRU, Replacement.RANDOM}) {
      compare(RandomGeometry.of(new SplittableRandom(7), replacement), PROGRAMS);
    }
  }

  private static void compare(TlbGeometry geometry, int programs) {
    long hits = 0;
    long rewalks = 0;
    for (int seed = 0; seed < programs; seed++) {
      CpuProfile profile = CpuProfile.full(Vendor.values()[seed & 1], 40);
      MachineSpec spec = MachineSpec.bare(profile).withRam(RandomTables.RAM).withTlb(geometry);
      TwoForms forms = new TwoForms(spec);
      SplittableRandom random = new SplittableRandom(seed);
      new RandomProgram(forms, profile, random, RandomProgram.ANYTHING).run(BLOCKS);
      forms.compareCaches();
      hits += forms.count(HwEvent.L1D_HITS_4K);
      rewalks += forms.count(HwEvent.RIGHTS_REWALKS);
    }
    assertThat(hits).isGreaterThan(50L * programs); // else the programs tried nothing
    assertThat(rewalks).isGreaterThan(10L * programs);
  }

  @Test
  void eachFormIsWhatItIsCalled() {
    String before = System.getProperty(Specializer.FORM, "");
    try {
      System.setProperty(Specializer.FORM, "plain");
      assertThat(aWalker().getClass().isHidden()).isFalse();
      System.setProperty(Specializer.FORM, "hidden");
      assertThat(aWalker().getClass().isHidden()).isTrue();
    } finally {
      System.setProperty(Specializer.FORM, before);
    }
  }

  private static Walker aWalker() {
    TestCpu cpu = new TestCpu(MachineSpec.bare(CpuProfile.full(Vendor.AMD, 36)));
    WalkerParts parts = new WalkerParts(PagingFormat.PAE, cpu.memory, null);
    return Specializer.specialise(Walker.class, TableWalker.class, parts);
  }
}
