// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvWorld.RO;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.x86.PageEntry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tables of a 32-bit guest with PAE on a 64-bit host: frame 2 is a root, frame 1 the level-2 table
 * of its last entry, frame 0 a level-1 table below that.
 */
class PaeTablesTest {
  private static final int ROOT = 2;
  private static final int LAST = 1;
  private static final long P = PageEntry.P;
  private static final long PUT = P | PageEntry.RW | PageEntry.US;

  private final PvWorld world = PvWorld.pae(8, EntryRules.SLOTS, () -> false);

  @AfterEach
  void everyCountIsRight() {
    world.work.finish(world.frames);
    assertThat(world.audit()).isEmpty();
  }

  private void tree() {
    world.write(LAST, 0, entry(0, RW));
    world.write(ROOT, 3, entry(LAST, P));
  }

  private Errno refused(PvRule rule, Errno result) {
    assertThat(world.work.reason()).isEqualTo(rule);
    world.work.finish(world.frames);
    return result;
  }

  // ---- the root ----

  @Test
  void aRootIsValidatedAndSeenByTheHardwareWithAllRights() {
    tree();
    world.write(0, 0, entry(5, RW));
    world.write(ROOT, 0, entry(3, P | PageEntry.A));
    world.write(ROOT, 4, 0x123L);
    world.write(ROOT, 511, -1L);
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.type(ROOT)).isEqualTo(FrameType.L3);
    assertThat(world.frames.typeWord(Addresses.mfn(LAST)) & FrameWords.PAE_XEN_L2).isNotZero();
    assertThat(world.frames.typeWord(Addresses.mfn(3)) & FrameWords.PAE_XEN_L2).isZero();
    assertThat(world.read(ROOT, 3)).isEqualTo(entry(LAST, PUT));
    assertThat(world.read(ROOT, 4)).as("not the guest's").isZero();
    assertThat(world.read(ROOT, 511)).isZero();
    assertThat(world.read(0, 0)).as("a 32-bit kernel has ring 1").isEqualTo(entry(5, RW));
    assertThat(world.unpin(ROOT)).isEqualTo(Errno.OK);
    assertThat(world.read(ROOT, 3)).as("as the guest wrote it").isEqualTo(entry(LAST, P));
    assertThat(world.read(ROOT, 0)).isEqualTo(entry(3, P));
  }

  @Test
  void aRootWithoutItsLastTableIsRefused() {
    tree();
    world.write(ROOT, 0, entry(3, P));
    world.write(ROOT, 3, 0);
    assertThat(refused(PvRule.NO_LAST_TABLE, world.pin(ROOT, 3))).isEqualTo(Errno.EINVAL);
    assertThat(world.typeCount(3)).isZero();
    assertThat(world.count(3)).isOne();
    assertThat(world.read(ROOT, 0)).isEqualTo(entry(3, P));
  }

  @Test
  void aLastTableOfTwoRootsIsRefused() {
    tree();
    world.write(4, 3, entry(LAST, P));
    world.write(4, 1, entry(3, P));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.pin(4, 3)).isEqualTo(Errno.EINVAL);
    world.work.finish(world.frames);
    assertThat(world.typeCount(LAST)).isOne();
    assertThat(world.typeCount(3)).isZero();
    assertThat(world.read(4, 1)).as("as the guest wrote it").isEqualTo(entry(3, P));
    assertThat(world.type(ROOT)).isEqualTo(FrameType.L3);
  }

  @Test
  void aLastTableIsOfATypeOfItsOwn() {
    tree();
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.pin(LAST, 2)).as("pinned as an ordinary one").isEqualTo(Errno.EINVAL);
    assertThat(world.update(ROOT, 0, entry(LAST, P))).as("twice").isEqualTo(Errno.EINVAL);
    world.write(4, 3, entry(3, P));
    assertThat(world.pin(3, 2)).isEqualTo(Errno.OK);
    assertThat(world.pin(4, 3)).as("the last, but ordinary").isEqualTo(Errno.EINVAL);
    world.work.finish(world.frames);
  }

  @Test
  void aRootAboveFourGibNeedsTheAssist() {
    int high = PvWorld.FOUR_GIB + 3;
    FrameTable large = PvWorld.detached(PvWorld.FOUR_GIB + 8);
    PvWorld wide = PvWorld.pae(8, EntryRules.SLOTS, () -> false, large);
    large.assign(Addresses.mfn(high), PvWorld.GUEST, FrameWords.ALLOCATED);
    wide.write(high, 3, entry(LAST, P));
    assertThat(wide.pin(high, 3)).isEqualTo(Errno.ERANGE);
    assertThat(wide.work.reason()).isEqualTo(PvRule.ROOT_TOO_HIGH);
    assertThat(wide.count(high)).isOne();
    wide.tables.rootsAnywhere(true);
    assertThat(wide.pin(high, 3)).isEqualTo(Errno.OK);
    assertThat(wide.audit()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      longs = {PageEntry.PWT, PageEntry.PCD, PageEntry.PS, PageEntry.G, PageEntry.NX, 1L << 52})
  void bitsThatAPdpteDoesNotHaveAreRefused(long bit) {
    tree();
    world.write(ROOT, 3, entry(LAST, P | bit));
    assertThat(refused(PvRule.FLAGS, world.pin(ROOT, 3))).isEqualTo(Errno.EINVAL);
    world.write(ROOT, 3, entry(LAST, P));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.update(ROOT, 0, entry(3, P | bit))).isEqualTo(Errno.EINVAL);
  }

  @Test
  void theLastEntryStaysAsItIs() {
    tree();
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    for (int slot = 3; slot < EntryRules.SLOTS; slot++) {
      assertThat(world.update(ROOT, slot, 0)).isEqualTo(Errno.EINVAL);
      assertThat(world.update(ROOT, slot, entry(3, P))).isEqualTo(Errno.EINVAL);
    }
    assertThat(world.update(ROOT, 2, entry(3, P))).isEqualTo(Errno.OK);
    assertThat(world.read(ROOT, 2)).isEqualTo(entry(3, PUT));
    assertThat(world.update(ROOT, 2, 0)).isEqualTo(Errno.OK);
  }

  /** An entry that leads back to the root would be walked as one of level 2, writable. */
  @Test
  void xsa185aRootDoesNotMapItself() {
    tree();
    world.write(ROOT, 0, entry(ROOT, P));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.EINVAL);
    world.work.finish(world.frames);
    world.write(ROOT, 0, 0);
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.update(ROOT, 0, entry(ROOT, P))).isEqualTo(Errno.EINVAL);
  }

  @Test
  void thereIsNoLevel4() {
    tree();
    assertThat(world.pin(ROOT, 4)).as("nothing happens").isEqualTo(Errno.OK);
    assertThat(world.typeCount(ROOT)).isZero();
    assertThat(world.count(ROOT)).isOne();
  }

  // ---- the last table ----

  @Test
  void whatAGuestPutsIntoTheHypervisorsSlotsIsGone() {
    tree();
    world.write(LAST, 428, entry(5, RW));
    world.write(LAST, 511, entry(ROOT, RW));
    world.write(LAST, 427, entry(3, RW));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.read(LAST, 428)).isZero();
    assertThat(world.read(LAST, 511)).isZero();
    assertThat(world.type(3)).isEqualTo(FrameType.L1);
    assertThat(world.update(LAST, 427, 0)).isEqualTo(Errno.OK);
    for (int slot = 428; slot < EntryRules.SLOTS; slot++) {
      assertThat(world.update(LAST, slot, entry(0, RW))).isEqualTo(Errno.EPERM);
    }
  }

  @Test
  void anOrdinaryTableIsTheGuestsWholly() {
    tree();
    world.write(3, 511, entry(4, RW));
    world.write(ROOT, 1, entry(3, P));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.type(4)).isEqualTo(FrameType.L1);
    assertThat(world.update(3, 500, entry(5, RW))).isEqualTo(Errno.OK);
  }

  @Test
  void aTableOfLevel2MayMapItselfAndNotTheLastOne() {
    tree();
    world.write(3, 1, entry(3, RO));
    world.write(ROOT, 1, entry(3, P));
    assertThat(world.pin(ROOT, 3)).isEqualTo(Errno.OK);
    assertThat(world.update(3, 2, entry(LAST, RO))).isEqualTo(Errno.EINVAL);
    assertThat(world.typeCount(LAST)).isOne();
  }

  // ---- preemption ----

  @Test
  void aPreemptedRootGoesOnWhereItStopped() {
    int[] left = {0};
    PvWorld hurried = PvWorld.pae(8, EntryRules.SLOTS, () -> left[0]-- <= 0);
    hurried.write(LAST, 0, entry(0, RW));
    hurried.write(ROOT, 0, entry(3, P));
    hurried.write(ROOT, 1, entry(4, P));
    hurried.write(ROOT, 3, entry(LAST, P));
    int calls = 0;
    Errno result;
    do {
      left[0] = 2;
      result = hurried.pin(ROOT, 3);
      assertThat(hurried.audit()).isEmpty();
    } while (result == Errno.ERESTART && ++calls < 10_000);
    assertThat(result).isEqualTo(Errno.OK);
    assertThat(calls).isGreaterThan(10);
    assertThat(hurried.typeCount(LAST)).isOne();
  }
}
