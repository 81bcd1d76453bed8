// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Counters;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Nested;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.EptEntry;
import dev.quire.hw.reference.Shape;
import java.lang.management.ManagementFactory;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A CPU with caches and one without, over the same memory: when every change of a table is followed
 * by the invalidation that it needs, they do the same, exits and all. Changes that give more rights
 * need none.
 */
class NestedCachingTest {
  private static final int PROGRAMS = RandomProgram.programs(8);
  private static final int MANY = 1000;
  private static final int STEPS = 150;
  private static final List<Shape> SHAPES =
      List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL);
  private static final long LINEAR = 0x40000000L;
  private static final int PAGES = 6;
  private static final long DATA = 0x7000000;

  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void cachesChangeNothingIfInvalidatedAsTheManualsSay(Format format) {
    for (int seed = 0; seed < PROGRAMS; seed++) {
      new Program(format, seed).run();
    }
  }

  @Tag("long")
  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void cachesChangeNothingOverManyPrograms(Format format) {
    for (int seed = 0; seed < MANY; seed++) {
      new Program(format, seed).run();
    }
  }

  /** One random program. */
  private static final class Program {
    private final SplittableRandom random;
    private final boolean ept;
    private final int seed;
    private final NestedGuest guest;
    private final X86Cpu plain;
    private final OperationBlock block = new OperationBlock(4);
    private final ControlBlock control = new ControlBlock();
    private final @Nullable NestedStaleness oracle;

    Program(Format format, int seed) {
      this.seed = seed;
      random = new SplittableRandom(seed);
      ept = format == Format.EPT;
      CpuProfile profile = CpuProfile.full(ept ? Vendor.INTEL : Vendor.AMD, 40);
      TlbGeometry tlb = RandomGeometry.of(random, Replacement.values()[seed % 3]);
      tlb = random.nextInt(4) == 0 ? tlb.withNested(Nested.NONE) : tlb;
      Shape shape = SHAPES.get(random.nextInt(SHAPES.size()));
      guest = new NestedGuest(profile, tlb, shape, format, ept && random.nextBoolean() ? 5 : 4);
      plain = new TestCpu(MachineSpec.bare(profile), guest.cpu.memory).cpu;
      guest.control.nested().accessedDirty = ept && random.nextBoolean();
      guest.control.nested().modeBasedExecute = ept && random.nextInt(3) == 0;
      for (int i = 0; i < PAGES; i++) {
        guest.map(linear(i), 1, DATA + 4096L * i, Tables.PLAIN);
      }
      // whose tables have 9 bits a level, as the keys of nested tables have
      oracle = shape == Shape.TWO_LEVEL ? null : new NestedStaleness(guest, profile);
    }

    private static long linear(int page) {
      return LINEAR + 4096L * page;
    }

    void run() {
      for (int step = 0; step < STEPS; step++) {
        switch (random.nextInt(8)) {
          case 0 -> changeGuest();
          case 1 -> changeNested();
          case 2 -> changeRegisters();
          default -> access(step);
        }
        if (oracle != null) {
          assertThat(oracle.stale()).as("program %s step %s", seed, step).isEmpty();
        }
      }
      assertThat(guest.cpu.counters.get(HwEvent.WALKS)).isPositive();
    }

    /** Another frame or other rights for a page, and INVLPG by the hypervisor. */
    private void changeGuest() {
      int page = random.nextInt(PAGES);
      long flags = Tables.P | random.nextLong() & (Tables.RW | Tables.US | Tables.A | Tables.D);
      long frame = DATA + 4096L * random.nextInt(PAGES);
      guest.guest.put(linear(page), 1, random.nextInt(8) == 0 ? 0 : frame | flags);
      if (ept) {
        guest.cpu.cpu.invvpidAddress(1, linear(page));
      } else {
        guest.cpu.cpu.invlpga(linear(page), 1);
      }
    }

    /** Another frame or other rights for a guest-physical page, of data or of tables. */
    private void changeNested() {
      boolean table = random.nextInt(3) == 0;
      long page =
          table
              ? guest.guest.entryAddress(LINEAR, 1 + random.nextInt(2)) & ~0xfffL
              : DATA + 4096L * random.nextInt(PAGES);
      long rights = ept ? eptRights() : nptRights();
      long moved = table ? 0 : 4096L * random.nextInt(4);
      guest.nested.put(page, 1, page + NestedGuest.OFFSET + moved | rights);
      if (ept) {
        guest.cpu.cpu.invept(guest.control.nested().root);
      } else {
        guest.cpu.cpu.flushTag(1);
      }
    }

    private long eptRights() {
      long rights = random.nextInt(3) == 0 ? random.nextLong() & 7 : 7;
      long type = EptEntry.type(random.nextInt(12) == 0 ? 7 : EptEntry.WB);
      return rights | type | random.nextLong() & (EptEntry.A | EptEntry.D | EptEntry.USER_EXECUTE);
    }

    private long nptRights() {
      long rights = random.nextInt(3) == 0 ? random.nextLong() & 7 : 7;
      long flags = random.nextLong() & (Tables.A | Tables.D);
      return rights | flags | (random.nextInt(6) == 0 ? Tables.NX : 0);
    }

    /** CR0.WP needs no invalidation. */
    private void changeRegisters() {
      guest.control.registers().cr0 ^= Cr0.WP;
    }

    private void access(int step) {
      long linear = linear(random.nextInt(PAGES)) + random.nextInt(4096);
      long kind = new long[] {0, Access.WRITE, Access.FETCH}[random.nextInt(3)];
      long access = Access.of(kind, random.nextBoolean(), true);
      control.registers().set(guest.control.registers());
      control.nested().set(guest.control.nested());
      block.clear();
      block.probe(access, linear);
      ExitReason got = guest.access(access, linear);
      ExitReason expected = plain.enter(control, block, 1);
      String where = "program " + seed + " step " + step + " " + Access.describe(access);
      assertThat(NestedOutcome.of(got, guest.control, guest.block))
          .as(where)
          .isEqualTo(NestedOutcome.of(expected, control, block));
      if (got == ExitReason.DONE && kind == Access.WRITE) {
        assertDirty(linear);
      }
    }

    private void assertDirty(long linear) {
      long entry = guest.guest.get(linear, 1);
      assertThat(entry & Tables.D).as("D of the guest's entry").isEqualTo(Tables.D);
      long nested = guest.nested.get(entry & 0xfffff000L, 1);
      boolean flags = !ept || guest.control.nested().accessedDirty;
      long dirty = ept ? EptEntry.D : Tables.D;
      assertThat(flags ? nested & dirty : dirty).as("D of the nested entry").isEqualTo(dirty);
    }
  }

  private static NestedGuest warm(Format format) {
    Vendor vendor = format == Format.NPT ? Vendor.AMD : Vendor.INTEL;
    NestedGuest guest =
        new NestedGuest(CpuProfile.full(vendor, 40), PrimedCpu.WHOLE, Shape.FOUR_LEVEL, format, 4);
    for (int i = 0; i < PAGES; i++) {
      guest.map(LINEAR + 4096L * i, 1, DATA + 4096L * i, Tables.PLAIN);
    }
    guest.access(Access.WRITE, LINEAR + 4096);
    guest.settle(Access.WRITE, LINEAR);
    return guest;
  }

  /** The first walk is cold even where there are caches: the guest's tables share no page. */
  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void coldWalkOfACachedCpuThenCachesServe(Format format) {
    NestedGuest guest = warm(format);
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.cpu.counters.references()).isLessThanOrEqualTo(24);
    guest.cpu.counters.reset();
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.cpu.counters.references()).isZero(); // a TLB hit
    assertThat(guest.access(0, LINEAR + 4096)).isEqualTo(ExitReason.DONE);
    assertThat(guest.cpu.counters.references(1, 0)).isEqualTo(1); // by the PDE cache
    assertThat(guest.cpu.counters.references(0, 1)).isEqualTo(1); // by the nested PDE cache
    assertThat(guest.cpu.counters.references()).isEqualTo(2);
    assertThat(guest.cpu.counters.get(HwEvent.NESTED_PSC_HITS_2)).isEqualTo(1);
  }

  @Test
  void withoutNestedCachesAColdWalkIsExactly24() {
    CpuProfile profile = CpuProfile.full(Vendor.AMD, 40);
    NestedGuest guest =
        new NestedGuest(
            profile, PrimedCpu.WHOLE.withNested(Nested.NONE), Shape.FOUR_LEVEL, Format.NPT, 4);
    guest.map(LINEAR, 1, DATA, Tables.PLAIN);
    guest.settle(Access.WRITE, LINEAR);
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.cpu.counters.references()).isEqualTo(24);
  }

  /**
   * Whatever keeps a walk from the fast road, at whatever level of whichever dimension, the
   * hardware walks once: setting A and D costs no reference, and no nested walk.
   */
  @ParameterizedTest
  @CsvSource({
    "NPT, true, false", "NPT, true, true",
    "EPT, true, false", "EPT, true, true",
    "EPT, false, false", "EPT, false, true"
  })
  void settingAccessedReadsNothingTwice(Format format, boolean flags, boolean cached) {
    Counters expected = coldWalk(format, flags, cached, 0);
    for (int level = 0; level <= 4; level++) {
      Map<HwEvent, Long> counts = new EnumMap<>(HwEvent.class);
      for (HwEvent event : HwEvent.values()) {
        if (!ASSISTS.contains(event)) {
          counts.put(event, expected.get(event));
        }
      }
      Counters found = coldWalk(format, flags, cached, level);
      counts.keySet().removeIf(event -> found.get(event) == counts.get(event));
      assertThat(counts).as("A is clear in level %d: other counts than without", level).isEmpty();
      assertThat(found.references()).isEqualTo(cached ? 13 : 24);
      assertThat(found.get(HwEvent.NESTED_WALKS)).isEqualTo(5);
    }
  }

  private static final Set<HwEvent> ASSISTS =
      EnumSet.of(
          HwEvent.ACCESSED_SET,
          HwEvent.DIRTY_SET,
          HwEvent.NESTED_ACCESSED_SET,
          HwEvent.NESTED_DIRTY_SET);

  /** What a cold walk counts, to a page whose entry has A clear at one level, 0 for none. */
  private static Counters coldWalk(Format format, boolean flags, boolean cached, int level) {
    CpuProfile profile = CpuProfile.full(format == Format.NPT ? Vendor.AMD : Vendor.INTEL, 40);
    TlbGeometry tlb = cached ? PrimedCpu.WHOLE : PrimedCpu.WHOLE.withNested(Nested.NONE);
    NestedGuest guest = new NestedGuest(profile, tlb, Shape.FOUR_LEVEL, format, 4);
    guest.control.nested().accessedDirty = flags;
    guest.map(LINEAR, 1, DATA, Tables.PLAIN);
    guest.settle(Access.WRITE, LINEAR);
    if (level > 0) {
      guest.guest.put(LINEAR, level, guest.guest.get(LINEAR, level) & ~Tables.A);
    }
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.guest.get(LINEAR, Math.max(1, level)) & Tables.A).isEqualTo(Tables.A);
    return guest.cpu.counters;
  }

  @ParameterizedTest
  @EnumSource(
      value = Format.class,
      names = {"NPT", "EPT"})
  void walksAllocateNothing(Format format) {
    NestedGuest cached = warm(format);
    NestedGuest bare =
        new NestedGuest(
            CpuProfile.full(format == Format.NPT ? Vendor.AMD : Vendor.INTEL, 40),
            null,
            Shape.FOUR_LEVEL,
            format,
            4);
    bare.map(LINEAR, 1, DATA, Tables.PLAIN);
    for (NestedGuest guest : List.of(cached, bare)) {
      allocated(guest, 200); // what is made once
      assertThat(allocated(guest, 2000)).isLessThan(2000); // the measuring itself takes some
    }
  }

  /** Bytes for so many accesses, each after a flush. */
  private static long allocated(NestedGuest guest, int accesses) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < accesses; i++) {
      guest.access((i & 1) == 0 ? Access.WRITE : 0, LINEAR);
      guest.cpu.cpu.flush();
    }
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  /** A page that may be executed but not read never gets into a TLB, where a read would find it. */
  @Test
  void executeOnlyPagesAreNotKept() {
    NestedGuest guest = warm(Format.EPT);
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.EXECUTE);
    guest.cpu.cpu.inveptAll();
    assertThat(guest.access(Access.FETCH, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.access(Access.FETCH, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.NESTED_FAULT);
  }

  /** CR0.WP = 0 lets a supervisor write where its own tables say read-only, not where EPT does. */
  @Test
  void cachedTranslationDoesNotLetWritesPastEpt() {
    NestedGuest guest = warm(Format.EPT);
    guest.control.registers().cr0 &= ~Cr0.WP;
    guest.nest(DATA, 1, EptEntry.type(EptEntry.WB) | EptEntry.READ);
    guest.cpu.cpu.inveptAll();
    assertThat(guest.access(0, LINEAR)).isEqualTo(ExitReason.DONE);
    assertThat(guest.access(Access.WRITE, LINEAR)).isEqualTo(ExitReason.NESTED_FAULT);
  }
}
