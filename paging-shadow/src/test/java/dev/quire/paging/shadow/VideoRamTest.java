// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import static dev.quire.paging.shadow.HostedGuest.FLAGS;
import static dev.quire.paging.shadow.HostedGuest.linear;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PagingFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A frame buffer of 16 frames, from 20 on, and who wrote it. */
class VideoRamTest {
  private static final int FIRST = 20;
  private static final int COUNT = 16;
  private static final long READ = Access.of(0, false, false);

  private final HostedGuest guest = new HostedGuest();
  private final OperationBlock block = guest.block;
  private Domain domain;

  static List<PagingFormat> formats() {
    return PagingFormat.ALL;
  }

  private void boot(PagingFormat format) {
    domain = guest.create(new ShadowBackend().with(Map.of()), 96);
    guest.writeTables(format);
    guest.boot(format);
  }

  private long ask() {
    long[] bitmap = new long[1];
    assertThat(domain.logDirty().trackRange(Addresses.gfn(FIRST), COUNT, bitmap))
        .isEqualTo(Errno.OK);
    assertThat(domain.paging().audit()).isEmpty();
    return bitmap[0];
  }

  private void write(int... frames) {
    block.clear();
    for (int frame : frames) {
      block.store(READ | Access.WRITE, linear(frame), 8, frame);
    }
    guest.run(RunResult.DONE);
  }

  private void read(int frame) {
    block.clear();
    block.load(READ, linear(frame), 8);
    guest.run(RunResult.DONE);
  }

  private long count(String title) {
    return domain.paging().statistics().get(title);
  }

  @ParameterizedTest
  @MethodSource("formats")
  void hardwareTellsWhichFramesWereWritten(PagingFormat format) {
    boot(format);
    assertThat(ask()).as("nothing is known").isEqualTo((1 << COUNT) - 1);
    write(FIRST, FIRST + 3, FIRST + 3, FIRST + COUNT);
    read(FIRST + 5);
    assertThat(ask()).isEqualTo(1 | 1 << 3);
    assertThat(ask()).isZero();
    long faults = count("faults");
    write(FIRST + 3);
    assertThat(count("faults")).as("D is hardware's").isEqualTo(faults);
    assertThat(ask()).isEqualTo(1 << 3);
    assertThat(domain.p2m().get(Addresses.gfn(FIRST)))
        .satisfies(it -> assertThat(domain.p2m().frames(P2mType.RAM_LOGDIRTY)).isZero());
  }

  @Test
  void whatWasWritableBeforeIsFoundByItsNextUse() {
    boot(PagingFormat.FOUR_LEVEL);
    write(FIRST + 1);
    ask();
    assertThat(ask()).as("by which entry was not known").isEqualTo(1 << 1);
    assertThat(ask()).isZero();
    write(FIRST + 1);
    assertThat(ask()).isEqualTo(1 << 1);
  }

  @Test
  void aFrameThatSeveralEntriesMapAlwaysCountsAsWritten() {
    boot(PagingFormat.FOUR_LEVEL);
    domain.deviceStore(HostedGuest.entryOf(PagingFormat.FOUR_LEVEL, 40), 8, FIRST << 12 | FLAGS);
    ask();
    write(FIRST, 40);
    assertThat(ask()).isEqualTo(1);
    assertThat(ask()).isEqualTo(1);
  }

  @Test
  void anEntryThatGoesTellsWhatItKnew() {
    boot(PagingFormat.FOUR_LEVEL);
    ask();
    write(FIRST, FIRST + 1);
    ask();
    write(FIRST + 1);
    for (int frame = FIRST; frame < FIRST + 2; frame++) {
      domain.deviceStore(HostedGuest.entryOf(PagingFormat.FOUR_LEVEL, frame), 8, 0);
    }
    assertThat(ask()).isEqualTo(1 << 1);
  }

  @Test
  void aQuietFrameBufferIsReadOnlyUntilItIsWrittenAgain() {
    boot(PagingFormat.FOUR_LEVEL);
    ask();
    write(FIRST, FIRST + 1);
    for (int i = 0; i < 5; i++) {
      ask();
    }
    long faults = count("faults");
    read(FIRST);
    assertThat(count("faults")).isEqualTo(faults);
    write(FIRST);
    assertThat(count("faults")).isEqualTo(faults + 1);
    assertThat(ask()).isEqualTo(1);
    assertThat(ask()).isZero();
  }

  @Test
  void devicesWriteItToo() {
    boot(PagingFormat.FOUR_LEVEL);
    ask();
    domain.deviceStore(FIRST + 2L << 12, 8, 1);
    assertThat(ask()).isEqualTo(1 << 2);
  }

  @Test
  void theFirstGenerationLivesByTypes() {
    domain = guest.create(new ClassicBackend(), 96);
    guest.writeTables(PagingFormat.FOUR_LEVEL);
    guest.boot(PagingFormat.FOUR_LEVEL);
    ask();
    write(FIRST + 4);
    assertThat(ask()).isEqualTo(1 << 4);
  }
}
