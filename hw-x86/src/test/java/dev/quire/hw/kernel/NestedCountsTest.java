// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.EptEntry;
import dev.quire.hw.reference.Shape;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What the caches of guest-physical mappings save, by its count: the entry that each serves, what
 * is read below it, and what is written.
 */
class NestedCountsTest {
  private static final long LINEAR = 0x40000000L;
  private static final long OTHER = LINEAR + 0x1000;
  private static final long DATA = 0x7000000;

  private static NestedGuest guest(Format format, int levels, long data, long other) {
    return guest(PrimedCpu.WHOLE, format, levels, data, other);
  }

  private static NestedGuest guest(
      TlbGeometry tlb, Format format, int levels, long data, long other) {
    CpuProfile profile = CpuProfile.full(format == Format.NPT ? Vendor.AMD : Vendor.INTEL, 40);
    NestedGuest guest = new NestedGuest(profile, tlb, Shape.FOUR_LEVEL, format, levels);
    guest.control.nested().accessedDirty = format == Format.EPT;
    guest.map(LINEAR, 1, data, Tables.PLAIN);
    guest.map(OTHER, 1, other, Tables.PLAIN);
    guest.access(Access.WRITE, OTHER);
    guest.settle(Access.WRITE, LINEAR);
    return guest;
  }

  /** A machine page that shares with that of DATA the entry of a level, and none below it. */
  private static long sharing(int level) {
    return DATA ^ 1L << 12 + 9 * (level - 2);
  }

  private static long[] lastReferences(Counters counters) {
    long[] byLevel = new long[6];
    for (int level = 1; level <= 5; level++) {
      byLevel[level] = counters.references(0, level);
    }
    return byLevel;
  }

  @ParameterizedTest
  @CsvSource({"NPT, 4, 2", "NPT, 4, 3", "NPT, 4, 4", "EPT, 4, 2", "EPT, 4, 3", "EPT, 4, 4"})
  void nestedStructureCacheServesFromItsLevelOn(Format format, int levels, int level) {
    enters(format, levels, level);
  }

  @ParameterizedTest
  @CsvSource({"2", "3", "4", "5"})
  void nestedStructureCacheServesFiveLevels(int level) {
    enters(Format.EPT, 5, level);
  }

  private static void enters(Format format, int levels, int level) {
    NestedGuest guest = guest(format, levels, DATA, sharing(level));
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    guest.cpu.counters.reset();
    assertThat(guest.access(0, OTHER)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(sharing(level));
    for (int each = 2; each <= 5; each++) {
      HwEvent hits = HwEvent.values()[HwEvent.NESTED_PSC_HITS_2.ordinal() + each - 2];
      assertThat(guest.cpu.counters.get(hits)).as("%s", hits).isEqualTo(each == level ? 1 : 0);
    }
    long[] references = lastReferences(guest.cpu.counters);
    for (int each = 1; each <= 5; each++) {
      assertThat(references[each]).as("level %s", each).isEqualTo(each < level ? 1 : 0);
    }
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_WALKS)).isEqualTo(1);
  }

  /** By way of a cached entry the hardware walks again from the root before it sets A. */
  @ParameterizedTest
  @CsvSource({"2, 1", "3, 1", "3, 2", "4, 1", "4, 2", "4, 3"})
  void settingNestedAccessedByWayOfACacheReadsFromTheRootToo(int cached, int clear) {
    NestedGuest guest = guest(Format.NPT, 4, DATA, sharing(cached));
    guest.access(0, LINEAR);
    guest.nested.put(sharing(cached), clear, guest.nested.get(sharing(cached), clear) & ~Tables.A);
    guest.cpu.counters.reset();
    assertThat(guest.access(0, OTHER)).isEqualTo(ExitReason.DONE);
    assertThat(guest.nested.get(sharing(cached), clear) & Tables.A).isEqualTo(Tables.A);
    long[] references = lastReferences(guest.cpu.counters);
    for (int each = 1; each <= 4; each++) {
      boolean twice = each >= clear && each < cached;
      assertThat(references[each]).as("level %s", each).isEqualTo(twice ? 2 : 1);
    }
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_ACCESSED_SET)).isEqualTo(1);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_DIRTY_SET)).isZero();
  }

  /** Where nothing is cached, what was read is not read again. */
  @ParameterizedTest
  @CsvSource({"NPT, 1", "NPT, 2", "EPT, 1", "EPT, 2"})
  void settingNestedAccessedReadsNothingTwice(Format format, int clear) {
    TlbGeometry tlb = PrimedCpu.WHOLE.withNested(TlbGeometry.Nested.NONE);
    NestedGuest guest = guest(tlb, format, 4, DATA, DATA + 0x1000);
    long accessed = format == Format.NPT ? Tables.A : EptEntry.A;
    guest.access(0, LINEAR);
    guest.nested.put(DATA, clear, guest.nested.get(DATA, clear) & ~accessed);
    guest.cpu.cpu.flush();
    guest.cpu.counters.reset();
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.nested.get(DATA, clear) & accessed).isEqualTo(accessed);
    assertThat(guest.cpu.counters.references()).isEqualTo(24);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_ACCESSED_SET)).isEqualTo(1);
    assertThat(guest.cpu.counters.get(HwEvent.ASSIST_RETRIES)).isZero();
  }

  /** A mapping that may not be written to gives way to one that may, and is not kept beside it. */
  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void nestedTlbHoldsAPageOnceWithTheRightsOfItsLastWalk(Format format) {
    NestedGuest guest = guest(format, 4, DATA, DATA + 0x1000);
    long dirty = format == Format.NPT ? Tables.D : EptEntry.D;
    guest.nested.put(DATA, 1, guest.nested.get(DATA, 1) & ~dirty);
    List<Long> hits =
        List.of(
            nestedHits(guest, 0), // cold
            nestedHits(guest, 0),
            nestedHits(guest, Access.WRITE), // sets D
            nestedHits(guest, Access.WRITE),
            nestedHits(guest, 0));
    assertThat(hits).containsExactly(0L, 1L, 0L, 1L, 1L);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_DIRTY_SET)).isEqualTo(1);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_ACCESSED_SET)).isZero();
    assertThat(LiveMappings.of(guest.cpu))
        .filteredOn(it -> it.kind() == LiveMappings.Kind.GUEST_PHYSICAL && it.covers(DATA))
        .hasSize(1);
  }

  /** How often the nested TLB serves an access that the TLBs do not; the guest's table is known. */
  private static long nestedHits(NestedGuest guest, long access) {
    long before = guest.cpu.counters.get(HwEvent.NESTED_TLB_HITS);
    Objects.requireNonNull(guest.cpu.cache).drop(LINEAR);
    assertThat(guest.access(access, LINEAR + 0x123)).isEqualTo(ExitReason.DONE);
    return guest.cpu.counters.get(HwEvent.NESTED_TLB_HITS) - before;
  }

  @Test
  void modificationLoggingCounts() {
    NestedGuest guest = guest(Format.EPT, 4, DATA, DATA + 0x1000);
    guest.control.nested().logging = true;
    guest.control.nested().pmlBase = Addresses.maddr(0x9_0000_0000L);
    for (long page : new long[] {DATA, DATA + 0x1000}) {
      guest.nested.put(page, 1, guest.nested.get(page, 1) & ~EptEntry.D);
    }
    guest.access(Access.WRITE, LINEAR);
    guest.access(Access.WRITE, LINEAR);
    guest.access(Access.WRITE, OTHER);
    assertThat(guest.cpu.counters.get(HwEvent.PML_LOGGED)).isEqualTo(2);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_DIRTY_SET)).isEqualTo(2);
  }
}
