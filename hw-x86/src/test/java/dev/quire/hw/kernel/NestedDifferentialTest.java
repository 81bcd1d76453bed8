// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.NestedWalk;
import dev.quire.hw.reference.Shape;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tables with random bits changed in either dimension: the CPU, with caches and without, comes to
 * what a walk written from the manuals comes to.
 */
class NestedDifferentialTest {
  private static final int WORLDS = 40;
  private static final int MANY = 4000;
  private static final int ACCESSES = 60;
  private static final long LINEAR = 0x40001000L;
  private static final long DATA = 0x40200000L;
  private static final List<Shape> SHAPES =
      List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL);

  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void randomBitsInBothDimensions(Format format) {
    assertThat(kinds(format, WORLDS))
        .contains("reaches", "#PF", "NESTED_FAULT")
        .hasSize(format == Format.EPT ? 4 : 3);
  }

  @Tag("long")
  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void randomBitsInBothDimensionsOfManyWorlds(Format format) {
    assertThat(kinds(format, MANY)).isNotEmpty();
  }

  private static Set<String> kinds(Format format, int worlds) {
    Set<String> kinds = new HashSet<>();
    for (int seed = 0; seed < worlds; seed++) {
      new World(format, seed).run(kinds);
    }
    return kinds;
  }

  /** Tables around one page. */
  private static final class World {
    private final SplittableRandom random;
    private final int seed;
    private final boolean ept;
    private final Shape shape;
    private final CpuProfile profile;
    private final NestedGuest guest;

    World(Format format, int seed) {
      this.seed = seed;
      random = new SplittableRandom(seed);
      ept = format == Format.EPT;
      shape = SHAPES.get(random.nextInt(4));
      EnumSet<Feature> features = CpuProfile.allOf(ept ? Vendor.INTEL : Vendor.AMD);
      if (random.nextInt(3) == 0) {
        features.remove(Feature.EPT_EXECUTE_ONLY);
      }
      profile = new CpuProfile(ept ? Vendor.INTEL : Vendor.AMD, 40, features);
      int levels = ept && random.nextBoolean() ? 5 : 4;
      guest =
          new NestedGuest(
              profile, random.nextBoolean() ? PrimedCpu.WHOLE : null, shape, format, levels);
      guest.map(LINEAR, 1, DATA, Tables.PLAIN);
      guest.control.nested().accessedDirty = ept && random.nextBoolean();
      guest.control.nested().modeBasedExecute = ept && random.nextInt(3) == 0;
      guest.control.nested().noExecute = random.nextInt(4) != 0;
      ControlBlock control = guest.control;
      control.registers().cr0 = Cr0.PE | Cr0.PG | (random.nextBoolean() ? Cr0.WP : 0);
      long optional = Cr4.SMEP | Cr4.SMAP | Cr4.PGE | (shape.isLong() ? Cr4.PKE | Cr4.PKS : 0);
      control.registers().cr4 |= random.nextLong() & optional;
      control.registers().efer ^= shape.entryBytes() == 8 ? random.nextLong() & Efer.NXE : 0;
      control.registers().pkru = random.nextInt();
      control.registers().pkrs = random.nextInt();
    }

    void run(Set<String> kinds) {
      for (int i = 0; i < ACCESSES; i++) {
        if (random.nextInt(3) == 0) {
          Runnable undo = change();
          access(kinds);
          undo.run();
        } else {
          access(kinds);
          change();
        }
        if (random.nextInt(4) == 0) {
          repair();
        }
      }
    }

    /** Flips a bit or clears all of an entry that the walk comes by; answers how to undo it. */
    private Runnable change() {
      boolean ofGuest = random.nextBoolean();
      int level = 1 + random.nextInt(ofGuest ? shape.levels() : guest.control.nested().levels);
      long address =
          ofGuest
              ? LINEAR
              : random.nextBoolean()
                  ? DATA
                  : guest.guest.root() + 4096L * random.nextInt(shape.levels());
      Tables tables = ofGuest ? guest.guest : guest.nested;
      int bits = ofGuest ? 8 * shape.entryBytes() : 64;
      long before = tables.get(address, level);
      int bit = random.nextInt(3) == 0 ? random.nextInt(bits) : random.nextInt(13);
      // a large page where a table was leads elsewhere, and the entries below are not found again
      long after = random.nextInt(20) == 0 ? 0 : before ^ 1L << (bit == 7 ? 8 : bit);
      if (level > 1 && (after & 0x000ffffffffff000L) != (before & 0x000ffffffffff000L)) {
        after = before;
      }
      tables.put(address, level, after);
      return () -> tables.put(address, level, before);
    }

    private void repair() {
      guest.guest.put(LINEAR, 1, DATA | Tables.PLAIN & ~(random.nextLong() & Tables.D));
      guest.back(DATA);
    }

    private void access(Set<String> kinds) {
      guest.cpu.cpu.flush();
      long linear = LINEAR + random.nextInt(4096);
      long kind = new long[] {0, Access.WRITE, Access.FETCH}[random.nextInt(3)];
      long access = Access.of(kind, random.nextBoolean(), random.nextBoolean());
      Demand demand = Demand.of(access, linear);
      String expected =
          NestedWalk.outcome(
              profile,
              guest.control.registers(),
              guest.control.nested(),
              guest.cpu.memory::load,
              demand);
      ExitReason reason = guest.access(access, linear);
      String got = NestedOutcome.of(reason, guest.control, guest.block);
      assertThat(got).as("world %d: %s", seed, demand).isEqualTo(expected);
      kinds.add(expected.split(" ", 2)[0]);
    }
  }
}
