// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.paging.PagingDomain;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mockito.Mockito;

/** The rules of each operation. */
class P2mOperationsTest {
  private static P2mWorld world(P2mFormat format) {
    return P2mWorld.small(P2mWorld.small(format));
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aPageIsMemoryOfTheDomainOrForeignAndNothingElse(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(1, 11, 0, P2mType.RAM_RW);
    world.p2m.setSpecial(2, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX);
    world.p2m.setSpecial(3, 301, 0, P2mType.GRANT_MAP_RW, P2mAccess.RWX);
    world.p2m.setSpecial(4, P2mWorld.DEVICE, 0, P2mType.MMIO_DIRECT, P2mAccess.RWX);
    world.p2m.set(5, -1, 0, P2mType.RAM_PAGED, P2mAccess.RWX);
    assertThat(world.p2m.getPage(1, P2m.LOOK)).isEqualTo(11);
    assertThat(world.m2p.references(11)).isEqualTo(1);
    world.p2m.putPage(11);
    assertThat(world.m2p.references(11)).isZero();
    assertThat(world.p2m.getPage(2, P2m.ALLOC)).isEqualTo(300);
    assertThat(world.m2p.references(300)).isEqualTo(2);
    for (long gfn : new long[] {3, 4, 5, 6}) {
      assertThat(world.p2m.getPage(gfn, P2m.ALLOC)).as("gfn %d", gfn).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void addingReplacesMemoryAndMovesWhatWasElsewhere(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 2, P2mType.RAM_RW);
    world.p2m.add(8, 16, 0, P2mType.RAM_RW);
    world.dirty.clear();
    assertThat(world.p2m.add(1, 16, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.mfn(world.p2m.get(1))).isEqualTo(16);
    assertThat(P2mEntry.hasFrame(world.p2m.get(8))).isFalse();
    assertThat(world.m2p.gfn(16)).isEqualTo(1);
    assertThat(world.m2p.gfn(1)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    assertThat(world.dirty).containsExactly(1L);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void framesAreExchangedInOneCall(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 0, P2mType.RAM_RW);
    world.p2m.add(1, 1, 0, P2mType.RAM_RW);
    world.p2m.add(2, 2, 0, P2mType.RAM_RW);
    assertThat(world.p2m.add(0, 1, 1, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.mfn(world.p2m.get(0))).isEqualTo(1);
    assertThat(P2mEntry.mfn(world.p2m.get(1))).isEqualTo(2);
    assertThat(P2mEntry.hasFrame(world.p2m.get(2))).isFalse();
    assertThat(world.m2p.gfn(0)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void specialEntriesAreInTheWayOfEverythingButTheirOwnKind(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(5, 5, 0, P2mType.RAM_RW);
    assertThat(world.p2m.setSpecial(5, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX))
        .isEqualTo(Errno.OK);
    assertThat(world.m2p.gfn(5)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    assertThat(world.p2m.setSpecial(5, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX))
        .isEqualTo(Errno.OK);
    assertThat(world.m2p.references(300)).isEqualTo(1);
    assertThat(world.p2m.setSpecial(5, 301, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX))
        .isEqualTo(Errno.EPERM);
    assertThat(world.p2m.setSpecial(5, 300, 0, P2mType.GRANT_MAP_RW, P2mAccess.RWX))
        .isEqualTo(Errno.EPERM);
    assertThat(world.p2m.add(4, 4, 2, P2mType.RAM_RW)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.clearSpecial(5, 301, 0)).isEqualTo(Errno.EILSEQ);
    assertThat(world.p2m.clearSpecial(5, 300, 0)).isEqualTo(Errno.OK);
    assertThat(world.p2m.clearSpecial(5, 300, 0)).isEqualTo(Errno.EILSEQ);
    assertThat(world.m2p.references(300)).isZero();
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void foreignFramesAreOthersAndSmall(P2mFormat format) {
    P2mWorld world = world(format);
    P2mType foreign = P2mType.MAP_FOREIGN;
    assertThat(world.p2m.setSpecial(4, 260, 2, foreign, P2mAccess.RWX)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.setSpecial(4, 4, 0, foreign, P2mAccess.RWX)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.setSpecial(4, 600, 0, foreign, P2mAccess.RWX)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.setSpecial(4, -1, 0, foreign, P2mAccess.RWX)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.setSpecial(4, 4, 0, P2mType.RAM_RW, P2mAccess.RWX))
        .isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.add(4, 260, 0, foreign)).isEqualTo(Errno.EINVAL);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aFrameThatIsReferredToIsGivenBackAfterTheLastReference(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.setSpecial(5, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX);
    List<Long> back = new ArrayList<>();
    world.m2p.release(
        299,
        3,
        new FrameSource() {
          @Override
          public long allocate(long count) {
            throw new AssertionError();
          }

          @Override
          public void release(long first, long count) {
            back.add(first);
          }
        });
    assertThat(back).containsExactly(299L, 301L);
    assertThat(P2mEntry.mfn(world.p2m.get(5))).isEqualTo(300);
    assertThat(world.p2m.setSpecial(6, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX))
        .isEqualTo(Errno.EPERM);
    assertThat(world.p2m.clearSpecial(5, 300, 0)).isEqualTo(Errno.OK);
    assertThat(back).containsExactly(299L, 301L, 300L);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aFrameThatLosesItsOwnerMeanwhileIsNotMapped(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    long used = world.pool.used();
    world.onAllocation = () -> world.m2p.take(300, 1);
    assertThat(world.p2m.setSpecial(5, 300, 0, P2mType.MAP_FOREIGN, P2mAccess.RWX))
        .isEqualTo(Errno.EBUSY);
    assertThat(world.pool.used()).isEqualTo(used);
    assertThat(P2mEntry.mfn(world.p2m.get(5))).isEqualTo(5);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void whoHoldsAFrameMayChangeItAndNobodyElseMeanwhile(P2mFormat format) throws Exception {
    P2mWorld world = world(format);
    world.p2m.add(5, 5, 0, P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(world.p2m.getGfn(5, P2m.UNSHARE))).isEqualTo(P2mType.RAM_LOGDIRTY);
    Thread other = new Thread(() -> world.p2m.remove(5, 5, 0));
    other.start();
    assertThat(world.p2m.changeType(5, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(P2mEntry.type(world.p2m.get(5))).isEqualTo(P2mType.RAM_RW);
    other.join(50);
    assertThat(other.isAlive()).isTrue();
    world.p2m.putGfn(5);
    other.join();
    assertThat(P2mEntry.hasFrame(world.p2m.get(5))).isFalse();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void theBackendIsToldBeforeAndAfterOfEveryMappingThatGoes(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(16, 16, 2, P2mType.RAM_RW);
    world.p2m.add(20, 20, 0, P2mType.RAM_RW);
    List<String> told = new ArrayList<>();
    PagingDomain backend = Mockito.mock(PagingDomain.class);
    Mockito.doAnswer(call -> told.add(call(world, "changing", call.getArguments())))
        .when(backend)
        .p2mChanging(Mockito.anyLong(), Mockito.anyInt(), Mockito.anyLong(), Mockito.anyLong());
    Mockito.doAnswer(call -> told.add(call(world, "changed", call.getArguments())))
        .when(backend)
        .p2mChanged(Mockito.anyLong(), Mockito.anyInt(), Mockito.anyLong(), Mockito.anyLong());
    world.backend = backend;
    world.p2m.set(16, -1, 4, P2mType.POPULATE_ON_DEMAND, P2mAccess.RWX);
    assertThat(told)
        .startsWith("changing 16 order 2, now RAM_RW: RAM_RW to POPULATE_ON_DEMAND")
        .contains("changing 20 order 0, now RAM_RW: RAM_RW to POPULATE_ON_DEMAND")
        .contains("changed 20 order 0, now POPULATE_ON_DEMAND: RAM_RW to POPULATE_ON_DEMAND")
        .hasSize(2 * (1 + 4 + 2));
    told.clear();
    world.p2m.recalculate(20);
    world.p2m.shatter(20);
    assertThat(told).isEmpty();
    world.p2m.changeTypeRange(3, 4, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    Mockito.verify(backend).p2mTypesChanged(3, 4);
  }

  private static String call(P2mWorld world, String name, Object[] arguments) {
    return String.format(
        "%s %d order %d, now %s: %s to %s",
        name,
        (long) arguments[0],
        (int) arguments[1],
        P2mEntry.type(world.p2m.get((long) arguments[0])),
        P2mEntry.type((long) arguments[2]),
        P2mEntry.type((long) arguments[3]));
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void onlyWhatHardwareCouldUseIsFlushed(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    world.p2m.set(16, -1, 4, P2mType.POPULATE_ON_DEMAND, P2mAccess.RWX);
    world.p2m.set(17, -1, 0, P2mType.MMIO_DM, P2mAccess.RWX);
    assertThat(world.flushes).isZero();
    world.p2m.changeType(3, P2mType.RAM_RW, P2mType.RAM_RO);
    assertThat(world.flushes).isEqualTo(1);
    world.p2m.deferFlushes();
    world.p2m.remove(0, 0, 0);
    world.p2m.deferFlushes();
    world.p2m.remove(1, 1, 0);
    world.p2m.flushDeferred();
    assertThat(world.flushes).isEqualTo(1);
    world.p2m.flushDeferred();
    assertThat(world.flushes).isEqualTo(2);
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void trapsAreResolvedOneLevelAtATimeAndOnce(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 2, P2mType.RAM_RW);
    for (int gfn = 4; gfn < 8; gfn++) {
      world.p2m.add(gfn, gfn + 8, 0, P2mType.RAM_RW);
    }
    world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY);
    long before = world.p2m.repairs();
    assertThat(world.p2m.recalculate(4)).isEqualTo(Errno.OK);
    assertThat(world.p2m.repairs()).isEqualTo(before + 4);
    assertThat(world.p2m.recalculate(4)).isEqualTo(Errno.ENOENT);
    // One trap settles a last table of EPT; an x86 entry is settled by its own.
    assertThat(world.p2m.recalculate(5))
        .isEqualTo(format == P2mFormat.EPT ? Errno.ENOENT : Errno.OK);
    assertThat(world.p2m.recalculate(0)).isEqualTo(Errno.OK);
    assertThat(world.p2m.frames(P2mType.RAM_LOGDIRTY)).isEqualTo(format == P2mFormat.EPT ? 8 : 6);
  }

  /**
   * What the contract says of a range whose end cannot be split off, and that asking again helps.
   */
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aRangeThatCannotBeSplitOffKeepsItsTypeUntilItIsAskedForAgain(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 2, P2mType.RAM_RW);
    world.p2m.add(16, 16, 4, P2mType.RAM_RW);
    world.allocations = 0;
    world.failing = 1;
    assertThat(world.p2m.changeTypeRange(0, 20, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.ENOMEM);
    assertThat(world.allocations).isEqualTo(1);
    assertThat(P2mEntry.type(world.p2m.get(3))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(world.p2m.get(16))).isEqualTo(P2mType.RAM_RW);
    assertThat(world.p2m.recalculate(16)).as("nothing is pending").isEqualTo(Errno.ENOENT);
    assertThat(world.audit()).isEmpty();
    assertThat(world.p2m.changeTypeRange(0, 20, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.OK);
    assertThat(P2mEntry.type(world.p2m.get(16))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(world.p2m.get(19))).isEqualTo(P2mType.RAM_LOGDIRTY);
    assertThat(P2mEntry.type(world.p2m.get(20))).isEqualTo(P2mType.RAM_RW);
    assertThat(world.audit()).isEmpty();
  }
}
