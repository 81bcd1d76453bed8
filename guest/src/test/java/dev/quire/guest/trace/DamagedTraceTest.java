// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.Zstd;
import com.sun.management.ThreadMXBean;
import dev.quire.api.guest.InputException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is wrong with a file: one message with its name and a byte, never anything else. */
class DamagedTraceTest {
  private static final long RAM = 1L << 30;
  private static final long MANY_BYTES = 64 << 20;

  @TempDir Path folder;

  private Path file() {
    return folder.resolve("damaged.zst");
  }

  private static TraceWriter everything() {
    long[] page = new long[512];
    Arrays.fill(page, 200, 300, 0x8000_0000_0000_0067L);
    TraceWriter writer = TraceWriter.window(RAM).tick(5000).number(Tag.CR0_IMPLICIT, 0x80000011L);
    writer.ptpage(0x100, 3, page).number(Tag.CR3, 0x100000).pdpte(1, 2, 3, 4).u8(Tag.STATE_END);
    writer.access(1, true, 8, 0x7FFF_FFFF_F008L, 0x10_0008).ptstore(0, 0x10_0008, 8, 99, 1);
    for (int i = 0; i < 50; i++) {
      writer.access(2, true, 1 + i % 12, 0x40_0000 + i * 100, 0x20_0000 + i * 100);
      writer.access(3, true, i + 1, 0x7FFF_FFFF_F000L + i, 0x10_0000 + i);
    }
    writer.ptstore(0, 0x10_0010, 4, 7, 12).fill(2, -4096L, 0x3000).fault(1, 2, 0x7000, 0x40_0000);
    return writer.invpcid(0, 1, -4096L).number(Tag.RETIRE, 0x100).u8(Tag.HLT).end();
  }

  /** Reads to the end in both ways, the bulk one and record by record. */
  private static void readAll(Path file) {
    long[] operations = new long[64];
    long[] places = new long[64];
    try (TraceReader reader = TraceReader.open(file)) {
      int tag = -1;
      while (tag != Tag.END) {
        if (reader.accesses(operations, places, 0, 64) < 64) {
          tag = reader.next();
        }
      }
    }
    try (TraceReader reader = TraceReader.open(file)) {
      while (reader.next() != Tag.END) {}
    }
  }

  private static @Nullable InputException refusal(Path file) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    InputException refused = null;
    try {
      readAll(file);
    } catch (InputException e) {
      refused = e;
    }
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MANY_BYTES);
    return refused;
  }

  private void assertRefused(Path file, String why) {
    assertThatThrownBy(() -> readAll(file))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("damaged.zst")
        .hasMessageContaining("at byte ")
        .hasMessageContaining(why);
  }

  private void assertRefused(TraceWriter writer, String why) {
    assertRefused(writer.end().compressTo(file()), why);
  }

  @Test
  void cutAnywhereBeforeCompression() {
    byte[] whole = everything().bytes();
    readAll(TraceWriter.compress(whole, file()));
    for (int length = 0; length < whole.length; length++) {
      Path cut = TraceWriter.compress(Arrays.copyOf(whole, length), file());
      assertRefused(cut, length < TraceHeader.BYTES ? "" : "cut");
    }
  }

  @Test
  void cutAnywhereAfterCompression() throws IOException {
    byte[] whole = Zstd.compress(everything().bytes());
    for (int length = 0; length < whole.length; length++) {
      Files.write(file(), Arrays.copyOf(whole, length));
      assertRefused(file(), "");
    }
  }

  @Test
  void bytesBehindTheEnd() {
    assertRefused(everything().u8(0), "follows the END");
  }

  @Test
  void otherFormats() throws IOException {
    byte[] bytes = everything().bytes();
    bytes[7] = '2';
    assertRefused(TraceWriter.compress(bytes, file()), "no X86PTRC1 trace, at byte 0");
    bytes[7] = '1';
    bytes[8] = 2;
    assertRefused(TraceWriter.compress(bytes, file()), "version 2");
    bytes[8] = 1;
    bytes[12] = 3;
    assertRefused(TraceWriter.compress(bytes, file()), "flags 3");
    Files.write(file(), new byte[100]);
    assertRefused(file(), "");
    Files.write(file(), everything().bytes());
    assertRefused(file(), "damaged or cut");
  }

  @Test
  void noSuchFile() {
    assertThatThrownBy(() -> TraceReader.open(folder.resolve("none.zst")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("none.zst");
  }

  @Test
  void fieldsThatCannotBe() {
    assertRefused(TraceWriter.base(RAM).u8(0x0A), "tag 0xa");
    assertRefused(TraceWriter.base(RAM).u8(0x80).sv(5), "ACCESS record in a base file");
    assertRefused(TraceWriter.base(RAM).u8(Tag.STATE_END), "STATE_END record in a base file");
    assertRefused(TraceWriter.base(RAM).number(Tag.TICK, -5), "TICK");
    assertRefused(TraceWriter.base(RAM).number(Tag.TICK, 5).number(Tag.END, 6), "TICKs say 5");
    assertRefused(TraceWriter.base(RAM).invpcid(4, 0, 0), "INVPCID");
    assertRefused(TraceWriter.base(RAM).ptpage(1L << 40, 0, new long[512]), "beyond 2^52");
    assertRefused(TraceWriter.base(RAM).ptpage(1, 6, new long[512]), "level");
    assertRefused(TraceWriter.base(RAM).ptpage(1, 1, new long[513]), "zeros: 0x201");
    assertRefused(TraceWriter.base(RAM).u8(Tag.PTPAGE).uv(1).u8(1).uv(2).uv(-1), "entries");
    assertRefused(TraceWriter.base(RAM).ptstore(0x40, 0, 1, 0, 1), "descriptor");
    assertRefused(TraceWriter.base(RAM).ptstore(0, -8, 8, 0, 1), "beyond 2^52");
    assertRefused(TraceWriter.base(RAM).ptstore(0, 0, 8, 0, 1L << 60), "run of stores");
    assertRefused(TraceWriter.base(RAM).fill(0x80, 0, 0), "FILL with flags 0x80");
    assertRefused(TraceWriter.base(RAM).fill(0, 1L << 60, 0), "not canonical");
    assertRefused(TraceWriter.base(RAM).fault(0, 1L << 32, 0, 0), "error code");
    assertRefused(TraceWriter.window(RAM).access(0, true, 8, 1L << 60, 0), "not canonical");
    assertRefused(TraceWriter.window(RAM).access(0, true, 0, 4096, 0), "0 bytes");
    assertRefused(TraceWriter.window(RAM).access(0, true, 8, 4096, 1L << 52), "exceeds");
    assertRefused(TraceWriter.window(RAM).u8(0x83).sv(4096), "never given");
  }

  @Test
  void numbersOfMoreThan64Bits() {
    TraceWriter writer = TraceWriter.base(RAM).u8(Tag.CR3);
    for (int i = 0; i < 9; i++) {
      writer.u8(0xFF);
    }
    assertRefused(writer.u8(2), "more than 64 bits");
  }

  @Test
  @Timeout(120)
  void bitsFlippedInTheCompressedFile() throws IOException {
    byte[] whole = Files.readAllBytes(Traces.example("linux-amd64-4level-nopti.small"));
    Random random = new Random(11);
    int refused = 0;
    for (int round = 0; round < 12; round++) {
      byte[] damaged = whole.clone();
      damaged[random.nextInt(random.nextBoolean() ? 100 : whole.length)] ^=
          (byte) (1 << random.nextInt(8));
      Files.write(file(), damaged);
      refused += refusal(file()) == null ? 0 : 1;
    }
    assertThat(refused).isGreaterThan(9);
  }

  @Test
  @Timeout(120)
  void bitsFlippedBeforeCompression() {
    byte[] whole = everything().bytes();
    Random random = new Random(12);
    int refused = 0;
    for (int round = 0; round < 1500; round++) {
      byte[] damaged = whole.clone();
      for (int flips = random.nextInt(3); flips >= 0; flips--) {
        damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
      }
      refused += refusal(TraceWriter.compress(damaged, file())) == null ? 0 : 1;
    }
    assertThat(refused).isGreaterThan(300);
  }

  @Test
  @Timeout(120)
  void bitsFlippedInARecordedTrace() throws IOException {
    byte[] compressed = Files.readAllBytes(Traces.example("linux-amd64-5level-pku.small"));
    byte[] whole = Zstd.decompress(compressed);
    Random random = new Random(13);
    for (int round = 0; round < 6; round++) {
      byte[] damaged = Arrays.copyOf(whole, 400_000);
      for (int flips = 0; flips < 5; flips++) {
        damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
      }
      assertThat(refusal(TraceWriter.compress(damaged, file()))).isNotNull();
    }
  }
}
