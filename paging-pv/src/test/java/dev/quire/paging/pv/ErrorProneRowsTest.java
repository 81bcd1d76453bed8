// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvWorld.RO;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.x86.PageEntry;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What implementations of direct pagetables get wrong, each by name. */
class ErrorProneRowsTest {
  private PvWorld world = PvWorld.of(16);

  @AfterEach
  void everyCountIsRight() {
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void mappingTablesWritableIsBusy() {
    world.tree();
    assertThat(world.update(0, 7, entry(1, RW))).isEqualTo(Errno.EBUSY);
    assertThat(world.read(0, 7)).isZero();
    assertThat(world.update(0, 7, entry(1, RO))).isEqualTo(Errno.OK);
  }

  @Test
  void promotingWhatIsMappedWritableIsInvalid() {
    world.tree();
    assertThat(world.update(0, 7, entry(9, RW))).isEqualTo(Errno.OK);
    assertThat(world.pin(9, 1)).isEqualTo(Errno.EINVAL);
    assertThat(world.update(0, 7, entry(9, RO))).isEqualTo(Errno.OK);
    assertThat(world.pin(9, 1)).isEqualTo(Errno.OK);
  }

  @Test
  void pinningTwiceIsInvalidAndChangesNoCount() {
    world.tree();
    long type = world.frames.typeWord(Addresses.mfn(3));
    assertThat(world.pin(3, 4)).isEqualTo(Errno.EINVAL);
    assertThat(world.work.finish(world.frames)).isEqualTo(Errno.OK);
    assertThat(world.frames.typeWord(Addresses.mfn(3))).isEqualTo(type);
    assertThat(world.count(3)).isEqualTo(2);
  }

  @Test
  void unpinningWhatIsNotPinnedIsInvalid() {
    world.tree();
    assertThat(world.unpin(2)).isEqualTo(Errno.EINVAL);
    assertThat(world.unpin(9)).isEqualTo(Errno.EINVAL);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 255, 511})
  void oneBadEntryOf512RollsAllReferencesBack(int bad) {
    for (int slot = 0; slot < 512; slot++) {
      world.write(0, slot, entry(slot % 8 + 4, slot % 2 == 0 ? RW : RO));
    }
    world.write(0, bad, entry(0, RW)); // a table that maps itself writable
    assertThat(world.pin(0, 1)).isEqualTo(Errno.EBUSY);
    assertThat(world.type(0)).isEqualTo(FrameType.NONE);
    for (int mfn = 0; mfn < 16; mfn++) {
      assertThat(world.count(mfn)).isOne();
      assertThat(world.typeCount(mfn)).isZero();
    }
  }

  @Test
  void preemptedTableUnpinnedByNobodyGoesOnWithAnotherVcpu() {
    AtomicInteger patience = new AtomicInteger(2);
    world = new PvWorld(16, 512, GuestPolicy.PLAIN, () -> patience.getAndDecrement() <= 0);
    for (int slot = 0; slot < 8; slot++) {
      world.write(8, slot, entry(slot, RW));
    }
    assertThat(world.pin(8, 2)).isEqualTo(Errno.ERESTART);
    assertThat(world.frames.typeWord(Addresses.mfn(8)) & FrameWords.PARTIAL).isNotZero();
    assertThat(world.audit()).isEmpty();
    PvWorld before = world;
    patience.set(Integer.MAX_VALUE);
    Errno resumed =
        before.tables.pin(Addresses.mfn(8), 2, new dev.quire.api.domain.PagingWork(() -> false));
    assertThat(resumed).isEqualTo(Errno.OK);
    assertThat(world.count(8)).isEqualTo(2);
  }

  @Test
  void partialTableCanBecomeNothingElse() {
    AtomicInteger patience = new AtomicInteger(1);
    world = new PvWorld(16, 512, GuestPolicy.PLAIN, () -> patience.getAndDecrement() <= 0);
    world.write(8, 0, entry(0, RW));
    world.write(8, 9, entry(1, RW));
    assertThat(world.pin(8, 2)).isEqualTo(Errno.ERESTART);
    patience.set(Integer.MAX_VALUE);
    assertThat(world.pin(8, 1)).isEqualTo(Errno.EINVAL);
    assertThat(world.pin(8, 3)).isEqualTo(Errno.EINVAL);
    assertThat(world.pin(8, 2)).isEqualTo(Errno.OK);
    assertThat(world.unpin(8)).isEqualTo(Errno.OK);
    assertThat(world.typeCount(8)).isZero();
  }

  @Test
  void theOldTableOfAnUpperEntryIsGivenBackAfterTheWrite() {
    world.tree();
    assertThat(world.update(1, 0, entry(9, RW))).isEqualTo(Errno.OK);
    assertThat(world.work.hasDeferred(Addresses.mfn(0))).isTrue();
    assertThat(world.typeCount(0)).isOne();
    assertThat(world.work.finish(world.frames)).isEqualTo(Errno.OK);
    assertThat(world.typeCount(0)).isZero();
    assertThat(world.count(0)).isOne();
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void linearTablesAreReadOnlyAndOneLevelDeep(int level) {
    long a = 8;
    long b = 9;
    long c = 10;
    for (long mfn : new long[] {a, b, c}) {
      assertThat(world.pin(mfn, level)).isEqualTo(Errno.OK);
    }
    assertThat(world.update(a, 5, entry(a, RO))).isEqualTo(Errno.OK);
    assertThat(world.count(a)).isEqualTo(2);
    assertThat(world.update(a, 5, entry(a, RW))).isEqualTo(Errno.EINVAL);
    assertThat(world.update(a, 6, entry(b, RW))).isEqualTo(Errno.EINVAL);
    assertThat(world.update(a, 6, entry(b, RO))).isEqualTo(Errno.OK);
    assertThat(world.frames.linear(Addresses.mfn(a))).isOne();
    assertThat(world.frames.linear(Addresses.mfn(b))).isEqualTo(-1);
    assertThat(world.update(b, 6, entry(c, RO))).isEqualTo(Errno.EINVAL);
    assertThat(world.update(c, 6, entry(a, RO))).isEqualTo(Errno.EINVAL);
    assertThat(world.update(a, 6, 0)).isEqualTo(Errno.OK);
    world.work.finish(world.frames);
    assertThat(world.frames.linear(Addresses.mfn(b))).isZero();
    assertThat(world.update(b, 6, entry(c, RO))).isEqualTo(Errno.OK);
  }

  @Test
  void hypervisorsSlotsAreRefused() {
    world.tree();
    for (int slot : new int[] {256, 258, 271}) {
      assertThat(world.update(3, slot, entry(2, RW))).isEqualTo(Errno.EINVAL);
      assertThat(world.update(3, slot, 0)).isEqualTo(Errno.EINVAL);
    }
    assertThat(world.update(3, 255, entry(2, RW))).isEqualTo(Errno.OK);
    assertThat(world.update(3, 272, entry(2, RW))).isEqualTo(Errno.OK);
  }

  @Test
  void xsa148superpagesAreRefusedAtEveryLevel() {
    world.tree();
    for (int level = 2; level <= 4; level++) {
      long present = world.read(level - 1, 0);
      assertThat(world.update(level - 1, 0, present | PageEntry.PS)).isEqualTo(Errno.EINVAL);
      assertThat(world.read(level - 1, 0)).isEqualTo(present);
    }
  }

  @Test
  void xsa182aLinearEntryCannotBecomeWritableByItsFlagAlone() {
    world.tree();
    assertThat(world.update(3, 5, entry(3, RO))).isEqualTo(Errno.OK);
    assertThat(world.update(3, 5, entry(3, RW))).isEqualTo(Errno.EINVAL);
  }

  @Test
  void framesOfOthersAreRefused() {
    world.tree();
    world.frames.release(Addresses.mfn(9));
    world.frames.assign(Addresses.mfn(9), PvWorld.OTHER, FrameWords.ALLOCATED);
    assertThat(world.update(0, 1, entry(9, RO))).isEqualTo(Errno.EBUSY);
    assertThat(world.update(1, 1, entry(9, RO))).isEqualTo(Errno.EINVAL);
    assertThat(world.pin(9, 1)).isEqualTo(Errno.EINVAL);
    assertThat(world.update(9, 0, 1)).isEqualTo(Errno.EINVAL);
  }

  @Test
  void xsa214typesDoNotOutliveAnOwner() {
    world.tree();
    assertThat(world.update(0, 1, entry(9, RW))).isEqualTo(Errno.OK);
    assertThat(world.update(0, 1, 0)).isEqualTo(Errno.OK);
    assertThat(world.frames.typeWord(Addresses.mfn(9)) & FrameWords.VALIDATED).isNotZero();
    world.frames.release(Addresses.mfn(9));
    world.frames.assign(Addresses.mfn(9), PvWorld.GUEST, FrameWords.ALLOCATED);
    assertThat(world.frames.typeWord(Addresses.mfn(9)) & FrameWords.VALIDATED).isZero();
  }
}
