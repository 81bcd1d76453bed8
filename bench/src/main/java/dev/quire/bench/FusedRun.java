// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench;

import dev.quire.api.hw.HwEvent;
import dev.quire.api.x86.Translation;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Measures {@link FusedKernel} as {@link JavaKernel} measures the machine: {@code STREAM PASSES}.
 * Like the machine it is trained first, on hits, on one miss in a hundred, and on misses.
 */
final class FusedRun extends StreamRun {
  private static final StreamTables tables = new StreamTables(FusedWalker.MEMORY);

  private final long[] operations;
  private final long[] reached;

  private FusedRun(Stream stream) {
    operations = stream.operations();
    reached = new long[operations.length];
  }

  public static void main(String[] arguments) throws Exception {
    Stream stream = Stream.read(Path.of(arguments[0]));
    long root = tables.map(stream);
    FusedKernel.flush();
    for (Stream diet :
        new Stream[] {SyntheticStreams.w1(), SyntheticStreams.w2(), SyntheticStreams.w3()}) {
      FusedWalker.root = tables.map(diet);
      new FusedRun(diet).pass();
      FusedKernel.flush();
    }
    FusedWalker.root = root;
    new FusedRun(stream).measure(Integer.parseInt(arguments[1]));
  }

  @Override
  void pass() {
    int i = 0;
    while (i < operations.length) {
      int to = Math.min(operations.length, i + MachineRun.BUDGET);
      i = FusedKernel.run(operations, i, to, reached);
      if (FusedKernel.fault != 0) {
        fault(Translation.errorCode(FusedKernel.fault));
        reached[i++] = 0;
      }
    }
  }

  @Override
  void resetCounters() {
    Arrays.fill(FusedKernel.counters, 0);
  }

  @Override
  Map<String, Long> counters() {
    Map<String, Long> named = new LinkedHashMap<>();
    named.put("l1-misses", count(HwEvent.L1D_MISSES) + count(HwEvent.L1I_MISSES));
    named.put("l2-misses", count(HwEvent.L2_MISSES));
    named.put("walks", count(HwEvent.WALKS));
    named.put(
        "references",
        count(HwEvent.REFERENCES_1)
            + count(HwEvent.REFERENCES_2)
            + count(HwEvent.REFERENCES_3)
            + count(HwEvent.REFERENCES_4));
    named.put("rewalks", count(HwEvent.RIGHTS_REWALKS));
    named.put("accessed-set", count(HwEvent.ACCESSED_SET));
    named.put("dirty-set", count(HwEvent.DIRTY_SET));
    return named;
  }

  private static long count(HwEvent event) {
    return FusedKernel.counters[event.ordinal()];
  }

  @Override
  long[] reached() {
    return reached;
  }
}
