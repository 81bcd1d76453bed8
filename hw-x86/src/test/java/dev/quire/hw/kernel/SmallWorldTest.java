// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.PagingRules;
import dev.quire.api.x86.Translation;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Page;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.SlowMemory;
import dev.quire.hw.reference.Walk;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Tables of two or four entries, in two frames that may refer to each other and to themselves: all
 * contents, every address, each kind of access. Whatever aliases whatever, the walk is the
 * manuals'.
 */
@Tag("exhaustive")
class SmallWorldTest {
  private static final long FRAME = 0x1000;
  private static final int FRAMES = 2;

  private final CpuProfile profile = profile();
  private final SparseMemory memory = new SparseMemory(MachineSpec.bare(profile).ram());
  private final SlowMemory slow = new SlowMemory(MachineSpec.bare(profile).ram());
  private final Registers registers = new Registers();

  private static CpuProfile profile() {
    Set<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    features.remove(Feature.PSE36); // its address bits are where a small large page has its index
    return new CpuProfile(Vendor.INTEL, 40, features);
  }

  @Test
  void someWorldsOfTwoLevelTables() {
    twoLevels(10);
  }

  @Tag("long")
  @Test
  void everyWorldOfTwoLevelTables() {
    twoLevels(1);
  }

  private void twoLevels(long step) {
    registers.cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    registers.cr4 = Cr4.PSE;
    explore(PagingFormat.TWO_LEVEL, Shape.TWO_LEVEL, 1, 11, step);
  }

  @Test
  void someWorldsOfFourLevelTables() {
    fourLevels(5);
  }

  @Tag("long")
  @Test
  void everyWorldOfFourLevelTables() {
    fourLevels(1);
  }

  private void fourLevels(long step) {
    registers.cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    registers.cr4 = Cr4.PAE;
    registers.efer = Efer.LME | Efer.LMA | Efer.NXE;
    explore(PagingFormat.FOUR_LEVEL, Shape.FOUR_LEVEL, 1, 7, step);
  }

  @Test
  void someWorldsOfFiveLevelTablesWithFourEntries() {
    registers.cr0 = Cr0.PE | Cr0.PG;
    registers.cr4 = Cr4.PAE | Cr4.LA57 | Cr4.SMAP;
    registers.efer = Efer.LME | Efer.LMA;
    explore(PagingFormat.FIVE_LEVEL, Shape.FIVE_LEVEL, 2, 8, 3200077);
  }

  /**
   * Goes through all assignments of values to entries, or every step-th; step and values have no
   * divisor in common, else an entry would always have the same value.
   *
   * @param values how many values an entry has
   */
  private void explore(PagingFormat real, Shape shape, int bits, int values, long step) {
    PagingFormat format = real.withIndexBits(bits);
    Shape small = shape.narrowed(bits);
    PagingRules rules =
        new PagingRules(format, profile, registers.cr0, registers.cr4, registers.efer);
    PagingContext context = new PagingContext(profile);
    context.set(rules, FRAME);
    registers.cr3 = FRAME;
    WalkerParts parts = new WalkerParts(format, memory, null);
    Walker walker = Specializer.specialise(Walker.class, TableWalker.class, parts);
    List<Long> choices = choices().subList(0, values);
    int entries = FRAMES << bits;
    long worlds = (long) Math.pow(values, entries);
    long walks = 0;
    for (long world = 0; world < worlds; world += step) {
      for (long page = 0; page < 1L << small.width() - 12; page++) {
        long linear = page << 64 - small.width() + 12 >> 64 - small.width() | 0x123;
        for (long access : AccessMatrix.ACCESSES) {
          write(world, choices, entries, small);
          check(walker, context, small, small.isLong() ? linear : page << 12 | 0x123, access);
          walks++;
        }
      }
    }
    assertThat(walks).isGreaterThan(20_000);
  }

  /** Not present; then, for each frame, from permissive to strict, tables before pages. */
  private static List<Long> choices() {
    List<Long> choices = new ArrayList<>(List.of(0L));
    for (long flags :
        new long[] {
          7, 7 | 32, 7 | 128, 5 | 32, 7 | 32 | 64, 3, 7 | 32 | 128, 5, 1, 3 | 32, 35, 199
        }) {
      for (int frame = 1; frame <= FRAMES; frame++) {
        choices.add(frame * FRAME | flags);
      }
    }
    return choices;
  }

  private void write(long world, List<Long> choices, int entries, Shape shape) {
    long rest = world;
    int perFrame = entries / FRAMES;
    for (int i = 0; i < entries; i++) {
      long value = choices.get((int) (rest % choices.size()));
      rest /= choices.size();
      long frame = FRAME * (1 + i / perFrame);
      put(frame + (long) (i % perFrame) * shape.entryBytes(), shape.entryBytes(), value);
    }
  }

  private void put(long address, int bytes, long value) {
    memory.store(address, bytes, value);
    slow.write(address, bytes, value);
  }

  private void check(Walker walker, PagingContext context, Shape shape, long linear, long access) {
    Demand demand = Demand.of(access, linear);
    Walk walk = Walk.fromRoot(profile, registers, shape, slow, demand);
    long looked = walker.walk(context, linear, access, null, PageWalker.LOOK_ONLY, null);
    compareMemory();
    long result = walker.walk(context, linear, access, null, PageWalker.SET_ACCESSED_DIRTY, null);
    if (!walk.succeeds()) {
      assertThat(Translation.isFault(result)).isTrue();
      assertThat(Translation.errorCode(result)).isEqualTo(walk.errorCode());
      assertThat(looked).isEqualTo(result);
      compareMemory();
      return;
    }
    Page page = Objects.requireNonNull(walk.page());
    long dirty = (access & Access.WRITE) != 0 ? Translation.DIRTY : 0;
    assertThat(Translation.address(result, linear, shape.shift(Translation.level(result))))
        .isEqualTo(page.address(linear));
    assertThat(result & ~Translation.DIRTY).isEqualTo(looked & ~Translation.DIRTY);
    assertThat(result & dirty).isEqualTo(dirty);
    for (Walk.Step step : walk.steps()) {
      boolean leaf = step.below() == null;
      long set = 32 | (leaf && dirty != 0 ? 64 : 0);
      long entry = slow.read(step.address(), shape.entryBytes());
      slow.write(step.address(), shape.entryBytes(), entry | set);
    }
    compareMemory();
  }

  private void compareMemory() {
    for (long at = FRAME; at < FRAME * (1 + FRAMES); at += FRAME) {
      for (int offset = 0; offset < 32; offset += 8) {
        if (memory.load(at + offset, 8) != slow.read(at + offset, 8)) {
          assertThat(memory.load(at + offset, 8))
              .as("0x%x", at + offset)
              .isEqualTo(slow.read(at + offset, 8));
        }
      }
    }
  }
}
