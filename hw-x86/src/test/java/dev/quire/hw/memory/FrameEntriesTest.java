// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class FrameEntriesTest {
  private final long[] frame = {0x1111111122222222L, 0x88888888ffffffffL};

  @Test
  void halvesAreNumberedInLittleEndianOrderAndZeroExtended() {
    assertThat(FrameEntries.load(frame, 1)).isEqualTo(0x88888888ffffffffL);
    assertThat(FrameEntries.loadHalf(frame, 0)).isEqualTo(0x22222222L);
    assertThat(FrameEntries.loadHalf(frame, 1)).isEqualTo(0x11111111L);
    assertThat(FrameEntries.loadHalf(frame, 2)).isEqualTo(0xffffffffL);
    assertThat(FrameEntries.loadHalf(frame, 3)).isEqualTo(0x88888888L);
  }

  @Test
  void aQuadwordIsReplacedOnlyIfItIsAsExpected() {
    assertThat(FrameEntries.compareAndSet(frame, 0, 1, 2)).isFalse();
    assertThat(frame[0]).isEqualTo(0x1111111122222222L);
    assertThat(FrameEntries.compareAndSet(frame, 0, frame[0], 2)).isTrue();
    assertThat(frame).containsExactly(2, 0x88888888ffffffffL);
  }

  @Test
  void aHalfIsReplacedOnlyIfItIsAsExpectedAndItsNeighbourStays() {
    assertThat(FrameEntries.compareAndSetHalf(frame, 3, 0x88888889L, 0)).isFalse();
    assertThat(frame[1]).isEqualTo(0x88888888ffffffffL);
    assertThat(FrameEntries.compareAndSetHalf(frame, 3, 0x88888888L, 7)).isTrue();
    assertThat(FrameEntries.compareAndSetHalf(frame, 2, 0xffffffffL, 0x90000000L)).isTrue();
    assertThat(FrameEntries.compareAndSetHalf(frame, 0, 0x22222222L, 0)).isTrue();
    assertThat(frame).containsExactly(0x1111111100000000L, 0x0000000790000000L);
  }

  @Test
  void aSignExtendedExpectationIsAHalfToo() {
    assertThat(FrameEntries.compareAndSetHalf(frame, 2, -1, -2)).isTrue();
    assertThat(frame[1]).isEqualTo(0x88888888fffffffeL);
  }
}
