// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FrameAllocatorTest {
  private static FrameAllocator of(long... startsAndLengths) {
    List<Ram> ram = new ArrayList<>();
    for (int i = 0; i < startsAndLengths.length; i += 2) {
      ram.add(new Ram(startsAndLengths[i] << 12, startsAndLengths[i + 1] << 12));
    }
    return new FrameAllocator(ram);
  }

  @Test
  void theLowestFramesInARowAreGivenOut() {
    FrameAllocator frames = of(0, 10, 100, 50);
    assertThat(frames.free()).isEqualTo(60);
    assertThat(frames.allocate(4)).isEqualTo(0);
    assertThat(frames.allocate(7)).isEqualTo(100);
    assertThat(frames.allocate(6)).isEqualTo(4);
    assertThat(frames.allocate(43)).isEqualTo(107);
    assertThat(frames.free()).isZero();
    assertThat(frames.allocate(1)).isEqualTo(FrameMapper.NONE);
  }

  @Test
  void framesThatAreNotInARowAreNotGivenOutTogether() {
    FrameAllocator frames = of(0, 10, 11, 10);
    assertThat(frames.allocate(11)).isEqualTo(FrameMapper.NONE);
    assertThat(frames.free()).isEqualTo(20);
  }

  @Test
  void rangesOfRamThatTouchAreOne() {
    assertThat(of(0, 10, 10, 10).allocate(20)).isEqualTo(0);
  }

  @Test
  void framesThatComeBackJoinTheirNeighbours() {
    FrameAllocator frames = of(0, 30);
    frames.allocate(30);
    frames.release(0, 10);
    frames.release(20, 10);
    frames.release(10, 10);
    assertThat(frames.allocate(30)).isEqualTo(0);
  }

  @Test
  void framesThatAreFreeCannotComeBack() {
    FrameAllocator frames = of(0, 30);
    frames.allocate(20);
    assertThatThrownBy(() -> frames.release(19, 2)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> frames.release(25, 1)).hasMessageContaining("0x19");
    frames.release(5, 5);
    assertThatThrownBy(() -> frames.release(4, 2)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> frames.release(9, 2)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> frames.release(0, 20)).isInstanceOf(IllegalStateException.class);
    assertThat(frames.free()).isEqualTo(15);
  }

  @Test
  void itAgreesWithABitmapOverAnySequence() {
    int size = 200;
    FrameAllocator frames = of(0, size);
    BitSet used = new BitSet(size);
    List<long[]> taken = new ArrayList<>();
    Random random = new Random(3);
    for (int i = 0; i < 20_000; i++) {
      if (random.nextBoolean() || taken.isEmpty()) {
        int count = 1 + random.nextInt(12);
        long first = frames.allocate(count);
        assertThat(first).isEqualTo(lowest(used, count, size));
        if (first >= 0) {
          used.set((int) first, (int) first + count);
          taken.add(new long[] {first, count});
        }
      } else {
        long[] back = taken.remove(random.nextInt(taken.size()));
        frames.release(back[0], back[1]);
        used.clear((int) back[0], (int) (back[0] + back[1]));
      }
      assertThat(frames.free()).isEqualTo(size - used.cardinality());
    }
  }

  private static long lowest(BitSet used, int count, int size) {
    for (int first = 0; first + count <= size; first++) {
      int next = used.nextSetBit(first);
      if (next < 0 || next >= first + count) {
        return first;
      }
    }
    return FrameMapper.NONE;
  }
}
