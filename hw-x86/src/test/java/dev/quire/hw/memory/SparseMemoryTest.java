// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.MachineSpec.Ram;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SparseMemoryTest {
  private static final int[] SIZES = {1, 2, 4, 8};

  private static SparseMemory ofBits(int bits) {
    return new SparseMemory(List.of(new Ram(0, 1L << bits)));
  }

  private static long mask(int bytes) {
    return bytes == 8 ? -1L : (1L << 8 * bytes) - 1;
  }

  @ParameterizedTest
  @ValueSource(ints = {12, 13, 18, 20, 34, 35, 40, 45, 48, 52})
  void everyFrameOfEveryWidthIsItsOwn(int bits) {
    SparseMemory memory = ofBits(bits);
    Map<Long, Long> written = new HashMap<>();
    Random random = new Random(bits);
    for (int i = 0; i < 400; i++) {
      long mfn = i < bits - 12 ? 1L << i : random.nextLong() & (1L << bits - 12) - 1;
      written.put(mfn, mfn * 0x9e3779b97f4a7c15L);
      memory.store(mfn << 12 | 8, 8, mfn * 0x9e3779b97f4a7c15L);
    }
    long last = (1L << bits - 12) - 1;
    written.put(last, 5L);
    memory.store(last << 12 | 8, 8, 5);
    written.forEach((mfn, value) -> assertThat(memory.load(mfn << 12 | 8, 8)).isEqualTo(value));
    assertThat(memory.framesInUse()).isEqualTo(written.size());
    assertThat(memory.isHome(1L << bits - 12)).isFalse();
    assertThat(memory.isRam(1L << bits)).isFalse();
    assertThat(memory.isRam((1L << bits) - 1)).isTrue();
  }

  @Test
  void bytesOfAnySizeAndAlignmentAreWhereAByteByByteModelHasThem() {
    SparseMemory memory = ofBits(30);
    byte[] model = new byte[4096];
    Random random = new Random(7);
    long base = 0x5000;
    for (int i = 0; i < 100_000; i++) {
      int bytes = SIZES[random.nextInt(4)];
      int offset = random.nextInt(64 - bytes + 1);
      long value = random.nextLong();
      if (random.nextBoolean()) {
        memory.store(base + offset, bytes, value);
        for (int b = 0; b < bytes; b++) {
          model[offset + b] = (byte) (value >>> 8 * b);
        }
      }
      long expected = 0;
      for (int b = bytes - 1; b >= 0; b--) {
        expected = expected << 8 | model[offset + b] & 0xff;
      }
      assertThat(memory.load(base + offset, bytes)).isEqualTo(expected);
    }
  }

  @Test
  void aStoreChangesItsOwnBytesOnly() {
    for (int bytes : SIZES) {
      for (int offset = 0; offset <= 16; offset++) {
        SparseMemory memory = ofBits(20);
        memory.store(0, 8, -1);
        memory.store(8, 8, -1);
        memory.store(16, 8, -1);
        memory.store(offset, bytes, 0);
        for (int at = 0; at < 24; at++) {
          boolean written = at >= offset && at < offset + bytes;
          assertThat(memory.load(at, 1)).isEqualTo(written ? 0 : 0xff);
        }
      }
    }
  }

  @Test
  void theLastBytesOfAFrameCanBeAccessedAndTheNextFrameCannotBeReachedFromThem() {
    SparseMemory memory = ofBits(20);
    memory.store(4088, 8, 0x0123456789abcdefL);
    assertThat(memory.load(4095, 1)).isEqualTo(0x01);
    assertThat(memory.load(4092, 4)).isEqualTo(0x01234567);
    assertThatThrownBy(() -> memory.load(4095, 2)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> memory.store(4089, 8, 0)).hasMessageContaining("0xff9");
  }

  @Test
  void compareExchangeHappensOnlyIfTheBytesAreAsExpectedAndTellsWhatTheyWere() {
    for (int bytes : SIZES) {
      for (int offset = 0; offset <= 8; offset++) {
        SparseMemory memory = ofBits(20);
        long mask = mask(bytes);
        memory.store(offset, bytes, 0xf1e2d3c4b5a69788L);
        long now = 0xf1e2d3c4b5a69788L & mask;
        assertThat(memory.compareExchange(offset, bytes, now ^ 1, 0)).isEqualTo(now);
        assertThat(memory.load(offset, bytes)).isEqualTo(now);
        assertThat(memory.compareExchange(offset, bytes, now, -2)).isEqualTo(now);
        assertThat(memory.load(offset, bytes)).isEqualTo(-2 & mask);
        assertThat(memory.load(offset + bytes, 8)).isZero();
      }
    }
  }

  @Test
  void aFrameIsZeroUntilItIsWrittenAndReadingItMakesNoHome() {
    SparseMemory memory = ofBits(30);
    assertThat(memory.load(0x1000, 8)).isZero();
    assertThat(memory.frameToRead(1)).hasSize(512).containsOnly(0);
    assertThat(memory.isHome(1)).isFalse();
    assertThat(memory.framesInUse()).isZero();
  }

  @Test
  void aFrameHasOneHomeForGood() {
    SparseMemory memory = ofBits(30);
    long[] home = memory.frame(1);
    memory.store(0x1010, 8, 42);
    assertThat(home[2]).isEqualTo(42);
    assertThat(memory.frame(1)).isSameAs(home);
    assertThat(memory.frameToRead(1)).isSameAs(home);
    assertThat(memory.isHome(1)).isTrue();
    assertThat(memory.framesInUse()).isEqualTo(1);
  }

  @Test
  void deviceMemoryReadsOnesSwallowsWritesAndHasNoFrames() {
    SparseMemory memory = new SparseMemory(List.of(new Ram(0x100000, 0x1000), new Ram(0, 0xa0000)));
    for (long address : new long[] {0xa0000, 0xff000, 0x101000, 1L << 40, 1L << 51, -4096}) {
      memory.store(address, 4, 0);
      assertThat(memory.isRam(address)).isFalse();
      assertThat(memory.load(address, 1)).isEqualTo(0xff);
      assertThat(memory.load(address, 8)).isEqualTo(-1);
      assertThat(memory.compareExchange(address, 2, 0xffff, 0)).isEqualTo(0xffff);
      assertThat(memory.load(address + 1, 4)).isEqualTo(0xffffffffL);
      assertThat(memory.frameToRead(address >>> 12)).containsOnly(-1);
      assertThatThrownBy(() -> memory.frame(address >>> 12)).hasMessageContaining("not RAM");
    }
    assertThat(memory.framesInUse()).isZero();
    assertThat(memory.isRam(0x9ffff)).isTrue();
    assertThat(memory.isRam(0x100fff)).isTrue();
  }

  @Test
  void rangesAreToldInAscendingOrder() {
    Ram low = new Ram(0, 0x1000);
    Ram high = new Ram(0x5000, 0x1000);
    assertThat(new SparseMemory(List.of(high, low)).ram()).containsExactly(low, high);
  }

  @Test
  void rangesThatOverlapOrLieBeyondPhysicalMemoryAreRefused() {
    List<Ram> overlapping = List.of(new Ram(0x3000, 0x1000), new Ram(0, 0x4000));
    assertThatThrownBy(() -> new SparseMemory(overlapping)).hasMessageContaining("0x3000");
    List<Ram> beyond = List.of(new Ram(1L << 52, 0x1000));
    assertThatThrownBy(() -> new SparseMemory(beyond)).hasMessageContaining("2^52");
  }

  @Test
  void aMachineWithoutRamIsAllDevices() {
    SparseMemory memory = new SparseMemory(List.of());
    assertThat(memory.load(0, 8)).isEqualTo(-1);
  }

  @Test
  void framesSpreadOverATebibyteCostLittleBeyondTheirContent() {
    SparseMemory memory = ofBits(40);
    long before = heap();
    Random random = new Random(1);
    int frames = 20_000;
    for (int i = 0; i < frames; i++) {
      memory.store(random.nextLong() & (1L << 40) - 4096, 8, 1);
    }
    long each = (heap() - before) / memory.framesInUse();
    assertThat(each).isLessThan(4096L + 1500); // 20,000 frames share the 16 MiB of nodes
  }

  private static long heap() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
