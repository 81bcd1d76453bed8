// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.DomainSpec.Placement;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PlacingTest {
  private static final long MIB = 1 << 20;

  /** The RAM of a PC of 8 MiB, with its hole. */
  private static final List<Ram> PC = List.of(new Ram(0, 0xa0000), new Ram(MIB, 7 * MIB));

  private static final long FRAMES = 0xa0 + 7 * 256;

  private final FrameAllocator allocator = new FrameAllocator(List.of(new Ram(0, 64 * MIB)));

  private GuestFrames place(Placement placement, int order, long seed) {
    return Placing.place(new DomainSpec(1, PC, placement, order, 0, seed), allocator);
  }

  @ParameterizedTest
  @EnumSource(Placement.class)
  void everyGuestFrameHasAFrameOfItsOwnAndNoMoreAreTaken(Placement placement) {
    long free = allocator.free();
    for (int order : new int[] {0, 9, 18}) {
      GuestFrames frames = place(placement, order, 7);
      Set<Long> machine = new HashSet<>();
      for (long gfn = 0; gfn < 0x900; gfn++) {
        long mfn = frames.toMachine(gfn);
        boolean ram = gfn < 0xa0 || gfn >= 0x100 && gfn < 0x800;
        assertThat(mfn >= 0).as("gfn 0x%x", gfn).isEqualTo(ram);
        if (ram) {
          assertThat(machine.add(mfn)).isTrue();
          assertThat(frames.toGuest(mfn)).isEqualTo(gfn);
        }
      }
      assertThat(allocator.free()).isEqualTo(free - FRAMES);
      for (int i = 0; i < frames.size(); i++) {
        allocator.release(frames.run(i).mfn(), frames.run(i).count());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void scatteredFramesAreNowhereWhereTheirNumberSays(long seed) {
    for (int order : new int[] {0, 9}) {
      GuestFrames frames = place(Placement.SCATTERED, order, seed);
      for (int i = 0; i < frames.size(); i++) {
        assertThat(frames.run(i).mfn()).isNotEqualTo(frames.run(i).gfn());
      }
    }
  }

  @Test
  void theSeedDecidesTheOrderAndNothingElseDoes() {
    GuestFrames one = place(Placement.SCATTERED, 0, 1);
    free(one);
    GuestFrames same = place(Placement.SCATTERED, 0, 1);
    free(same);
    GuestFrames other = place(Placement.SCATTERED, 0, 2);
    int differ = 0;
    for (long gfn = 0x100; gfn < 0x800; gfn++) {
      assertThat(same.toMachine(gfn)).isEqualTo(one.toMachine(gfn));
      differ += other.toMachine(gfn) == one.toMachine(gfn) ? 0 : 1;
    }
    assertThat(differ).isGreaterThan(1500);
  }

  private void free(GuestFrames frames) {
    for (int i = 0; i < frames.size(); i++) {
      allocator.release(frames.run(i).mfn(), frames.run(i).count());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Placement.class,
      names = {"CONTIGUOUS", "SCATTERED"})
  void superpagesStayPossibleWhereverTheRangesAllowThem(Placement placement) {
    allocator.allocate(3); // so that the next free frame is at no boundary
    GuestFrames frames = place(placement, 9, 3);
    for (long gfn = 0x200; gfn < 0x800; gfn += 0x200) {
      long mfn = frames.toMachine(gfn);
      assertThat(mfn & 511).isZero();
      assertThat(frames.toMachine(gfn + 511)).isEqualTo(mfn + 511);
    }
  }

  @Test
  void anOrderThatNoRangeHoldsCostsNoAlignment() {
    GuestFrames frames = place(Placement.SCATTERED, 18, 3);
    assertThat(frames.toMachine(0x200) & 511).as("2 MiB is what fits").isZero();
  }

  @Test
  void memoryThatIsNotThereIsRefusedAndNothingIsTaken() {
    FrameAllocator small = new FrameAllocator(List.of(new Ram(0, 7 * MIB)));
    long free = small.free();
    for (Placement placement : Placement.values()) {
      for (int order : new int[] {0, 9}) {
        DomainSpec spec = new DomainSpec(1, PC, placement, order, 0, 1);
        assertThatThrownBy(() -> Placing.place(spec, small))
            .isInstanceOf(IllegalArgumentException.class);
        assertThat(small.free()).isEqualTo(free);
      }
    }
  }
}
