// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.hw.reference.Shape;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A cold walk reads each entry of each dimension once: n + m + nm references. */
class NestedReferencesTest {
  private static final long DATA = 0x7000000;
  private static final List<Shape> SHAPES =
      List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL);

  private static NestedGuest guest(int guestLevels, Format format, int levels) {
    Shape shape = SHAPES.get(guestLevels - 2);
    Vendor vendor = format == Format.NPT ? Vendor.AMD : Vendor.INTEL;
    return new NestedGuest(CpuProfile.full(vendor, 40), null, shape, format, levels);
  }

  /** A PAE guest has its third level in registers with EPT, and in memory with NPT. */
  @ParameterizedTest
  @CsvSource({
    "4, NPT, 4, 24",
    "4, EPT, 4, 24",
    "5, EPT, 5, 35",
    "4, EPT, 5, 29",
    "5, EPT, 4, 29",
    "5, NPT, 4, 29",
    "3, NPT, 4, 19",
    "3, EPT, 4, 14",
    "2, NPT, 4, 14",
    "2, EPT, 5, 17"
  })
  void coldWalk(int guestLevels, Format format, int levels, int references) {
    NestedGuest guest = guest(guestLevels, format, levels);
    long linear = 0x40001000L;
    guest.map(linear, 1, DATA, Tables.PLAIN);
    guest.settle(0, linear);
    assertThat(guest.access(0, linear)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA);
    assertThat(guest.cpu.counters.references()).isEqualTo(references);
    assertThat(guest.cpu.counters.get(HwEvent.WALKS)).isEqualTo(1);
    for (int nested = 1; nested <= levels; nested++) {
      assertThat(guest.cpu.counters.references(0, nested)).isEqualTo(1);
      for (int level = 1; level <= guestLevels; level++) {
        long expected = level == 3 && guestLevels == 3 && format == Format.EPT ? 0 : 1;
        assertThat(guest.cpu.counters.references(level, nested)).isEqualTo(expected);
      }
    }
  }

  /** Each nested page of 2 MiB saves one reference for each of the five that a walk looks up. */
  @ParameterizedTest
  @CsvSource({"1, 24", "2, 19", "3, 14"})
  void coldWalkWithLargeNestedPages(int level, int references) {
    NestedGuest guest = guest(4, Format.NPT, 4);
    guest.map(0x40001000L, 1, DATA, Tables.PLAIN);
    if (level > 1) {
      guest.nest(0, level, Tables.PLAIN);
      guest.nest(DATA, level, Tables.PLAIN);
    }
    guest.settle(0, 0x40001000L);
    assertThat(guest.access(0, 0x40001000L)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA);
    assertThat(guest.cpu.counters.references()).isEqualTo(references);
  }

  @ParameterizedTest
  @CsvSource({"1, 24", "2, 19", "3, 14"})
  void coldWalkToLargeGuestPages(int level, int references) {
    NestedGuest guest = guest(4, Format.EPT, 4);
    guest.map(0x40000000L, level, 0x80000000L, Tables.PLAIN);
    guest.settle(0, 0x40000000L);
    assertThat(guest.access(0, 0x40000000L)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(0x80000000L);
    assertThat(guest.cpu.counters.references()).isEqualTo(references);
  }
}
