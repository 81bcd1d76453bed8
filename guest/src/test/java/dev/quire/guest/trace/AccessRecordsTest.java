// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.Operation;
import dev.quire.api.x86.Access;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs of ACCESS records come out the same one by one, in blocks of any size, and as written. */
class AccessRecordsTest {
  private static final long RAM = 1L << 30;
  private static final int RECORDS = 50_000;
  private static final long[] REGIONS = {
    0x0804_8000L, 0x7FFF_F000_0000L, 0xFFFF_8880_0000_0000L, 0xFF11_0000_0000_0000L
  };

  @TempDir Path folder;

  private record Written(long operation, long place, long bytes, boolean breaksRun) {}

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void randomStreams(long seed) {
    Random random = new Random(seed);
    TraceWriter writer = TraceWriter.window(RAM);
    List<Written> all = new ArrayList<>();
    for (int i = 0; i < RECORDS; i++) {
      all.add(write(writer, random, i));
    }
    Path file = writer.end().compressTo(folder.resolve("t.zst"));
    for (int block : new int[] {1, 7, 4096}) {
      assertRuns(file, all, block);
    }
    assertSingly(file, all);
  }

  private long next = REGIONS[0];

  private Written write(TraceWriter writer, Random random, int i) {
    boolean breaks = random.nextInt(300) == 0;
    if (breaks) {
      writer.tick(1);
    }
    int kind = random.nextBoolean() ? 2 : random.nextInt(4);
    boolean user = random.nextBoolean();
    long bytes = kind == 2 ? 1 + random.nextInt(15) : 1L << random.nextInt(7);
    if (random.nextInt(50) == 0) {
      bytes = 1 + random.nextInt(4096);
    }
    long va = kind == 2 && random.nextInt(4) > 0 ? next : somewhere(random);
    if (kind == 2) {
      next = va + bytes;
    }
    // A page moves now and then: what came before must keep its place.
    long pa = (va >>> 12 & 0xFFFFF) + (i >>> 14) << 12 | va & 0xFFF;
    writer.access(kind, user, bytes, va, pa);
    long flags = kind == 0 ? 0 : kind == 2 ? Access.FETCH : Access.WRITE;
    long operation = Operation.access(Access.of(flags, user, true), va);
    return new Written(operation, pa, kind == 2 ? 0 : bytes, breaks);
  }

  private static long somewhere(Random random) {
    long region = REGIONS[random.nextInt(REGIONS.length)];
    return region + random.nextInt(random.nextInt(1 << 12) == 0 ? 1 << 24 : 1 << 15);
  }

  private static void assertRuns(Path file, List<Written> all, int block) {
    long[] operations = new long[block];
    long[] places = new long[block];
    int done = 0;
    try (TraceReader reader = TraceReader.open(file)) {
      int fill = 0;
      for (int tag = -1; tag != Tag.END; ) {
        int filled = reader.accesses(operations, places, fill, block);
        for (int i = fill; i < filled; i++, done++) {
          assertThat(operations[i]).isEqualTo(all.get(done).operation);
          assertThat(places[i]).isEqualTo(all.get(done).place);
        }
        if (filled > fill && all.get(done - 1).bytes > 0) {
          assertThat((long) reader.accessBytes()).isEqualTo(all.get(done - 1).bytes);
        }
        fill = filled == block ? 0 : filled;
        if (filled < block) {
          tag = reader.next();
          assertThat(tag).isIn(Tag.TICK, Tag.END);
        }
      }
      assertThat(done).isEqualTo(all.size());
      long others = all.stream().filter(Written::breaksRun).count() + 1;
      assertThat(reader.record() + 1).isEqualTo(done + others);
    }
  }

  private static void assertSingly(Path file, List<Written> all) {
    try (TraceReader reader = TraceReader.open(file)) {
      for (Written written : all) {
        int tag = reader.next();
        if (tag == Tag.TICK) {
          tag = reader.next();
        }
        assertThat(tag).isEqualTo(Tag.ACCESS);
        assertThat(reader.operation()).isEqualTo(written.operation);
        assertThat(reader.physical()).isEqualTo(written.place);
        if (written.bytes > 0) {
          assertThat((long) reader.accessBytes()).isEqualTo(written.bytes);
        }
      }
      assertThat(reader.next()).isEqualTo(Tag.END);
    }
  }

  @Test
  void noRunIsReadFromWhatHasNone() {
    Path base = TraceWriter.base(RAM).end().compressTo(folder.resolve("base.zst"));
    try (TraceReader reader = TraceReader.open(base)) {
      assertThat(reader.accesses(new long[1], new long[1], 0, 1)).isZero();
      assertThat(reader.next()).isEqualTo(Tag.END);
    }
  }
}
