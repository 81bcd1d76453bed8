// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.quire.api.x86.Access;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TraceReaderTest {
  private static final long RAM = 1L << 30;
  private static final long KERNEL = 0xFFFF_8880_0123_4567L;

  @TempDir Path folder;

  private TraceReader open(TraceWriter writer) {
    return TraceReader.open(writer.end().compressTo(folder.resolve("t.zst")));
  }

  @Test
  void headerIsRead() {
    try (TraceReader reader = open(new TraceWriter(true, 640 << 20, 12_345))) {
      assertThat(reader.header()).isEqualTo(new TraceHeader(true, 640 << 20, 12_345));
      assertThat(reader.instructions()).isEqualTo(12_345);
      assertThat(reader.record()).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @ValueSource(
      ints = {
        Tag.CR0,
        Tag.CR3,
        Tag.CR4,
        Tag.EFER,
        Tag.PKRU,
        Tag.CR0_IMPLICIT,
        Tag.CR3_IMPLICIT,
        Tag.CR4_IMPLICIT,
        Tag.EFER_IMPLICIT,
        Tag.PKRU_IMPLICIT,
        Tag.IRQ,
        Tag.WINDOW_BEGIN,
        Tag.WINDOW_END
      })
  void recordsOfOneNumber(int tag) {
    long noFlush = 0x8000_0000_1234_5005L;
    try (TraceReader reader = open(TraceWriter.base(RAM).number(tag, noFlush))) {
      assertThat(reader.next()).isEqualTo(tag);
      assertThat(reader.value()).isEqualTo(noFlush);
      assertThat(reader.next()).isEqualTo(Tag.END);
      assertThat(reader.record()).isEqualTo(1);
    }
  }

  @Test
  void ticksCountInstructionsUpToTheEnd() {
    try (TraceReader reader = open(new TraceWriter(false, RAM, 100).tick(2048).tick(5))) {
      assertThat(reader.next()).isEqualTo(Tag.TICK);
      assertThat(reader.instructions()).isEqualTo(2148);
      assertThat(reader.next()).isEqualTo(Tag.TICK);
      assertThat(reader.next()).isEqualTo(Tag.END);
      assertThat(reader.instructions()).isEqualTo(2153);
      assertThatIllegalStateException().isThrownBy(reader::next);
    }
  }

  @Test
  void invalidations() {
    TraceWriter writer = TraceWriter.base(RAM).number(Tag.INVLPG, KERNEL).invpcid(1, 5, KERNEL);
    try (TraceReader reader = open(writer)) {
      assertThat(reader.next()).isEqualTo(Tag.INVLPG);
      assertThat(reader.linear()).isEqualTo(KERNEL);
      assertThat(reader.next()).isEqualTo(Tag.INVPCID);
      assertThat(reader.kind()).isEqualTo(1);
      assertThat(reader.value()).isEqualTo(5);
      assertThat(reader.linear()).isEqualTo(KERNEL);
    }
  }

  @Test
  void pdptesAndRecordsWithoutPayload() {
    TraceWriter writer = TraceWriter.window(RAM).pdpte(1, 0x2001, 0, -1L).u8(Tag.STATE_END);
    try (TraceReader reader = open(writer.u8(Tag.HLT).u8(Tag.MARK).u8(20))) {
      assertThat(reader.next()).isEqualTo(Tag.PDPTE);
      assertThat(reader.pdpte(1)).isEqualTo(0x2001);
      assertThat(reader.pdpte(3)).isEqualTo(-1);
      assertThat(reader.next()).isEqualTo(Tag.STATE_END);
      assertThat(reader.next()).isEqualTo(Tag.HLT);
      assertThat(reader.next()).isEqualTo(Tag.MARK);
      assertThat(reader.value()).isEqualTo(20);
    }
  }

  @Test
  void pagesOfAnyFilling() {
    Random random = new Random(7);
    long[] full = random.longs(512).toArray();
    long[] sparse = new long[512];
    sparse[3] = 3;
    sparse[511] = -1;
    TraceWriter writer = TraceWriter.base(RAM).ptpage(0x1234, 0, full).ptpage(2, 5, sparse);
    writer.ptpage(3, 1, new long[512]).number(Tag.RETIRE, 2);
    writer.u8(Tag.PTPAGE).uv(9).u8(1).uv(0).uv(0).uv(511).uv(0).uv(0).uv(1).le(42, 8);
    try (TraceReader reader = open(writer)) {
      assertThat(reader.next()).isEqualTo(Tag.PTPAGE);
      assertThat(reader.frame()).isEqualTo(0x1234);
      assertThat(reader.page()).isEqualTo(full);
      assertThat(reader.next()).isEqualTo(Tag.PTPAGE);
      assertThat(reader.kind()).isEqualTo(5);
      assertThat(reader.page()).isEqualTo(sparse);
      assertThat(reader.next()).isEqualTo(Tag.PTPAGE);
      assertThat(reader.page()).containsOnly(0);
      assertThat(reader.next()).isEqualTo(Tag.RETIRE);
      assertThat(reader.frame()).isEqualTo(2);
      assertThat(reader.next()).isEqualTo(Tag.PTPAGE);
      assertThat(reader.page()[511]).isEqualTo(42);
      assertThat(reader.page()[510]).isZero();
    }
  }

  @Test
  void storesFollowEachOther() {
    TraceWriter writer = TraceWriter.base(RAM).ptstore(0, 0x5008, 8, -2, 1);
    writer.ptstore(8, 0x5004, 4, 0x8765_4321L, 1).ptstore(0, 0x6000, 4, 0, 1023);
    try (TraceReader reader = open(writer.ptstore(0x10, 0x6FFC, 1, 0xFF, 1))) {
      assertThat(reader.next()).isEqualTo(Tag.PTSTORE);
      assertStore(reader, 0x5008, 8, -2, 1);
      assertThat(reader.storedByWalker() || reader.storedByDevice()).isFalse();
      reader.next();
      assertStore(reader, 0x5004, 4, 0x8765_4321L, 1);
      assertThat(reader.storedByWalker()).isTrue();
      reader.next();
      assertStore(reader, 0x6000, 4, 0, 1023);
      reader.next();
      assertStore(reader, 0x6FFC, 1, 0xFF, 1);
      assertThat(reader.storedByDevice()).isTrue();
    }
  }

  private static void assertStore(TraceReader r, long address, int bytes, long value, int count) {
    assertThat(r.physical()).isEqualTo(address);
    assertThat(r.storeBytes()).isEqualTo(bytes);
    assertThat(r.value()).isEqualTo(value);
    assertThat(r.storeCount()).isEqualTo(count);
  }

  @Test
  void fillsAndFaults() {
    TraceWriter writer = TraceWriter.base(RAM).fill(0x06 | 2 << 3, 0x0804_8123, 0x123_4123);
    writer.fill(0x23 | 1 << 3 | 0x40, KERNEL, 0x0077_7567).fault(0x05, 0x27, 0x1000, KERNEL);
    try (TraceReader reader = open(writer)) {
      assertThat(reader.next()).isEqualTo(Tag.FILL);
      assertThat(reader.linear()).isEqualTo(0x0804_8123);
      assertThat(reader.physical()).isEqualTo(0x123_4123);
      assertThat(reader.access()).isEqualTo(Access.of(Access.FETCH, true, false));
      assertThat(reader.pageShift()).isEqualTo(22);
      assertThat(reader.global()).isFalse();
      assertThat(reader.next()).isEqualTo(Tag.FILL);
      assertThat(reader.linear()).isEqualTo(KERNEL);
      assertThat(reader.physical()).isEqualTo(0x0077_7567);
      assertThat(reader.access()).isEqualTo(Access.WRITE | Access.SMAP_EXEMPT);
      assertThat(reader.pageShift()).isEqualTo(21);
      assertThat(reader.global()).isTrue();
      assertThat(reader.next()).isEqualTo(Tag.FAULT);
      assertThat(reader.value()).isEqualTo(0x27);
      assertThat(reader.linear()).isEqualTo(0x1000);
      assertThat(reader.rip()).isEqualTo(KERNEL);
      assertThat(reader.access()).isEqualTo(Access.of(Access.WRITE, true, false));
    }
  }
}
