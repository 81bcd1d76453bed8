// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.reference.Shape;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Loops over nested tables as hidden classes and as ordinary ones: equal in all that they do. */
class NestedFormsTest {
  private static final int PROGRAMS = 4;
  private static final int STEPS = 200;
  private static final int PAGES = 6;
  private static final long LINEAR = 0x40000000L;
  private static final long DATA = 0x7000000;
  private static final List<Shape> SHAPES =
      List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL);

  private NestedGuest hidden;
  private NestedGuest plain;

  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void bothFormsAgreeOnRandomPrograms(Format format) {
    for (int seed = 0; seed < PROGRAMS; seed++) {
      int number = seed;
      hidden = TwoForms.as(TwoForms.HIDDEN, () -> guest(format, number));
      plain = TwoForms.as(TwoForms.PLAIN, () -> guest(format, number));
      SplittableRandom random = new SplittableRandom(seed);
      for (int step = 0; step < STEPS; step++) {
        step(random, "program " + seed + " step " + step);
      }
      assertThat(hidden.cpu.counters.get(HwEvent.NESTED_WALKS)).isGreaterThan(20);
      assertThat(hidden.cpu.counters.get(HwEvent.NESTED_FAULTS)).isPositive();
      assertThat(hidden.cpu.counters.get(HwEvent.PAGE_FAULTS)).isPositive();
    }
  }

  private static NestedGuest guest(Format format, int seed) {
    boolean ept = format == Format.EPT;
    CpuProfile profile = CpuProfile.full(ept ? Vendor.INTEL : Vendor.AMD, 40);
    Replacement replacement = Replacement.values()[seed % 3];
    NestedGuest guest =
        new NestedGuest(
            profile,
            RandomGeometry.of(new SplittableRandom(seed), replacement),
            SHAPES.get(seed & 3),
            format,
            ept && seed % 2 == 1 ? 5 : 4);
    guest.control.nested().accessedDirty = ept && seed > 1;
    for (int page = 0; page < PAGES; page++) {
      guest.map(LINEAR + 4096L * page, 1, DATA + 4096L * page, Tables.PLAIN);
    }
    return guest;
  }

  private void both(Consumer<NestedGuest> change) {
    change.accept(hidden);
    change.accept(plain);
  }

  private void step(SplittableRandom random, String where) {
    long page = 4096L * random.nextInt(PAGES);
    long bits = random.nextLong();
    switch (random.nextInt(8)) {
      case 0 ->
          both(
              it -> {
                long flags = bits & (Tables.P | Tables.RW | Tables.US | Tables.A | Tables.D);
                it.guest.put(LINEAR + page, 1, DATA + page | flags);
                it.cpu.cpu.flushLinear(1, LINEAR + page);
              });
      case 1 ->
          both(
              it -> {
                long entry = it.nested.get(DATA + page, 1);
                it.nested.put(DATA + page, 1, entry & ~7L | (bits & 8) >> 1 | bits & 2 | 1);
                it.cpu.cpu.flush();
              });
      case 2 -> both(it -> it.back(DATA + page)); // more rights, of which no cache need know
      default -> access(Access.of(kind(bits), true, false), LINEAR + page + (bits & 0xfff), where);
    }
  }

  private static long kind(long bits) {
    return new long[] {0, Access.WRITE, Access.FETCH, Access.WRITE}[(int) (bits >>> 60) & 3];
  }

  private void access(long access, long linear, String where) {
    ExitReason exit = TwoForms.as(TwoForms.HIDDEN, () -> hidden.access(access, linear));
    ExitReason same = TwoForms.as(TwoForms.PLAIN, () -> plain.access(access, linear));
    assertThat(NestedOutcome.of(same, plain.control, plain.block))
        .as(where)
        .isEqualTo(NestedOutcome.of(exit, hidden.control, hidden.block));
    assertThat(plain.cpu.counters.values()).as(where).isEqualTo(hidden.cpu.counters.values());
    assertThat(LiveMappings.of(plain.cpu)).as(where).isEqualTo(LiveMappings.of(hidden.cpu));
  }
}
