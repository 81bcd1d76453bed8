// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import org.junit.jupiter.api.Test;

class DirtyPagesTest {
  private final PaperGuest guest = new PaperGuest();

  private static @Gfn long gfn(long number) {
    return Addresses.gfn(number);
  }

  private DirtyPages range(long first, long count) {
    return new DirtyPages(guest.memory, gfn(first), count);
  }

  @Test
  void writtenFrameMustBeInTheBitmap() {
    DirtyPages pages = range(0, 64);
    pages.wrote(gfn(5));
    assertThat(pages.missing(new long[] {0}))
        .singleElement()
        .asString()
        .isEqualTo("gfn 0x5 was written but is not in the bitmap");
    assertThat(pages.missing(new long[] {1L << 5})).isEmpty();
    assertThat(pages.size()).isEqualTo(1);
  }

  @Test
  void bitmapMayHoldMore() {
    DirtyPages pages = range(0, 64);
    pages.wrote(gfn(5));
    assertThat(pages.missing(new long[] {-1})).isEmpty();
  }

  @Test
  void pageTableThatTheWalkerChangedMustBeInTheBitmap() {
    guest.memory.table(gfn(7));
    DirtyPages pages = range(0, 64);
    assertThat(pages.missing(new long[] {0})).isEmpty();
    guest.content(107)[3] |= 0x20;
    assertThat(pages.missing(new long[] {0}))
        .singleElement()
        .asString()
        .contains("gfn 0x7", "A or D");
  }

  @Test
  void pageTableThatMovedUnchangedNeedNotBe() {
    guest.memory.table(gfn(7));
    guest.content(107)[3] = 0x67;
    DirtyPages pages = range(0, 64);
    guest.content(200)[3] = 0x67;
    guest.map.put(7L, 200L);
    assertThat(pages.missing(new long[] {0})).isEmpty();
  }

  @Test
  void newRoundForgetsTheOld() {
    guest.memory.table(gfn(7));
    DirtyPages pages = range(0, 64);
    pages.wrote(gfn(5));
    guest.content(107)[3] |= 0x20;
    pages.begin();
    assertThat(pages.missing(new long[] {0})).isEmpty();
  }

  @Test
  void bitsOfARangeCountFromItsFirstFrame() {
    guest.memory.table(gfn(12));
    DirtyPages pages = range(10, 4);
    pages.wrote(gfn(9));
    pages.wrote(gfn(14));
    pages.wrote(gfn(13));
    guest.content(112)[0] = 1;
    assertThat(pages.missing(new long[] {1L << 3 | 1L << 2})).isEmpty();
    assertThat(pages.missing(new long[] {0})).hasSize(2);
    assertThat(pages.bitmap()).hasSize(1);
  }

  @Test
  void whatIsNotRamIsNobodysToTell() {
    DirtyPages pages = range(0, 128);
    pages.wrote(gfn(64));
    assertThat(pages.missing(new long[] {0, 0})).isEmpty();
  }
}
