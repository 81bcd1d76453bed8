// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.memory;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.MachineSpec.Ram;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;

/** Several CPUs on one memory: nobody's bytes are lost, wherever their neighbours' are. */
class SharedMemoryTest {
  private static final int CPUS = 4;
  private static final int ROUNDS = 50_000;

  private final SparseMemory memory = new SparseMemory(List.of(new Ram(0, 1L << 40)));

  private static void onEveryCpu(IntConsumer work) throws Exception {
    ExecutorService cpus = Executors.newFixedThreadPool(CPUS);
    try {
      CountDownLatch start = new CountDownLatch(CPUS);
      List<Future<?>> results = new ArrayList<>();
      for (int cpu = 0; cpu < CPUS; cpu++) {
        int number = cpu;
        results.add(
            cpus.submit(
                () -> {
                  start.countDown();
                  start.await();
                  work.accept(number);
                  return null;
                }));
      }
      for (Future<?> result : results) {
        result.get();
      }
    } finally {
      cpus.shutdownNow();
    }
  }

  @Test
  void neighbouringBytesWrittenByOtherCpusAreNeverLost() throws Exception {
    onEveryCpu(
        cpu -> {
          for (int i = 0; i < ROUNDS; i++) {
            memory.store(0x1000 + 2 * cpu, 2, i);
            assertThat(memory.load(0x1000 + 2 * cpu, 2)).isEqualTo(i & 0xffff);
          }
        });
  }

  @Test
  void storesAcrossQuadwordsKeepWhatOthersWriteIntoTheRestOfThem() throws Exception {
    onEveryCpu(
        cpu -> {
          for (int i = 0; i < ROUNDS; i++) {
            int at =
                0x2005 + 6 * cpu; // bytes 5..10, 11..16, ...: most straddle, all are neighbours
            memory.store(at, 4, i);
            memory.store(at + 4, 2, ~i);
            assertThat(memory.load(at, 4)).isEqualTo(i);
            assertThat(memory.load(at + 4, 2)).isEqualTo(~i & 0xffff);
          }
        });
  }

  @Test
  void compareExchangeLosesNoIncrementOfAnySize() throws Exception {
    int[] sizes = {8, 4, 2};
    for (int bytes : sizes) {
      long address = 0x3000 + bytes;
      long mask = -1L >>> 64 - 8 * bytes;
      onEveryCpu(
          cpu -> {
            for (int i = 0; i < ROUNDS; i++) {
              long before;
              do {
                before = memory.load(address, bytes);
              } while (memory.compareExchange(address, bytes, before, before + 1) != before);
            }
          });
      assertThat(memory.load(address, bytes)).isEqualTo((long) CPUS * ROUNDS & mask);
    }
  }

  @Test
  void bitsSetInEntriesByCompareAndSetAreAllThereAtTheEnd() throws Exception {
    long[] frame = memory.frame(9);
    onEveryCpu(
        cpu -> {
          for (int entry = 0; entry < 1024; entry++) {
            for (int bit = cpu; bit < 32; bit += CPUS) {
              long before;
              do {
                before = FrameEntries.loadHalf(frame, entry);
              } while (!FrameEntries.compareAndSetHalf(frame, entry, before, before | 1L << bit));
            }
          }
        });
    assertThat(frame).containsOnly(-1);
  }

  @Test
  void framesMadeAtTheSameTimeAreOneFrame() throws Exception {
    int frames = 3000;
    onEveryCpu(
        cpu -> {
          for (int i = 0; i < frames; i++) {
            long spread = (long) i * 0x54321 & (1L << 28) - 1;
            memory.store(spread << 12 | cpu, 1, cpu + 1);
          }
        });
    assertThat(memory.framesInUse()).isEqualTo(frames);
    for (int i = 0; i < frames; i++) {
      long spread = (long) i * 0x54321 & (1L << 28) - 1;
      assertThat(memory.load(spread << 12, 4)).isEqualTo(0x04030201);
    }
  }

  @Test
  void anAlignedQuadwordIsSeenWholeOrNotAtAll() throws Exception {
    onEveryCpu(
        cpu -> {
          for (int i = 0; i < ROUNDS; i++) {
            if (cpu == 0) {
              memory.store(0x8008, 8, (i & 1) == 0 ? -1 : 0);
            } else {
              assertThat(memory.load(0x8008, 8)).isIn(0L, -1L);
            }
          }
        });
  }
}
