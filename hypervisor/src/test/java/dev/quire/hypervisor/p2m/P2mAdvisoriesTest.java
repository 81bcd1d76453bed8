// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Xen's security advisories on the p2m, as far as what they are about is there: one test each. */
class P2mAdvisoriesTest {
  private static P2mWorld world(P2mFormat format) {
    return P2mWorld.small(P2mWorld.small(format));
  }

  private static void failAt(P2mWorld world, int allocation) {
    world.allocations = 0;
    world.failing = allocation;
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa22TheM2pIsAsBeforeIfTheEntryCouldNotBeSet(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    failAt(world, 1);
    assertThat(world.p2m.add(5, 40, 0, P2mType.RAM_RW)).isEqualTo(Errno.ENOMEM);
    assertThat(world.m2p.gfn(40)).isEqualTo(MachineToPhysical.NOT_MAPPED);
    assertThat(world.m2p.gfn(5)).isEqualTo(5);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa31OrdersAreBounded(P2mFormat format) {
    P2mWorld world = world(format);
    for (int order : new int[] {-1, 9, 36, 63, 64, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertThat(world.p2m.add(0, 0, order, P2mType.RAM_RW)).isEqualTo(Errno.EINVAL);
      assertThat(world.p2m.remove(0, 0, order)).isEqualTo(Errno.EINVAL);
      assertThat(world.p2m.set(0, -1, order, P2mType.MMIO_DM, P2mAccess.RWX))
          .isEqualTo(Errno.EINVAL);
    }
    assertThat(world.p2m.add(-1, 0, 0, P2mType.RAM_RW)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.add(Long.MIN_VALUE, 0, 0, P2mType.RAM_RW)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.add(0, Long.MAX_VALUE, 0, P2mType.RAM_RW)).isEqualTo(Errno.EINVAL);
    assertThat(world.p2m.changeTypeRange(5, Long.MAX_VALUE, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.OK);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa222AFrameWhoseRemovalFailedIsStillMapped(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    failAt(world, 2);
    assertThat(world.p2m.remove(5, 5, 0)).isEqualTo(Errno.ENOMEM);
    assertThat(P2mEntry.mfn(world.p2m.get(5))).isEqualTo(5);
    assertThat(world.m2p.gfn(5)).isEqualTo(5);
    assertThat(world.pool.used()).isEqualTo(world.p2m.tableFrames());
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa277RemovingThriceIsAnErrorAndNoDeadlock(P2mFormat format) throws Exception {
    P2mWorld world = world(format);
    world.p2m.add(5, 5, 0, P2mType.RAM_RW);
    assertThat(world.p2m.remove(5, 5, 0)).isEqualTo(Errno.OK);
    assertThat(world.p2m.remove(5, 5, 0)).isEqualTo(Errno.EILSEQ);
    assertThat(world.p2m.remove(5, 5, 0)).isEqualTo(Errno.EILSEQ);
    Thread other = new Thread(() -> world.p2m.putGfn(world.p2m.getGfn(5, 0) & 0));
    other.start();
    other.join(10_000);
    assertThat(other.isAlive()).as("the lock is held still").isFalse();
  }

  @Test
  void xsa304SuperpagesThatMayNotBeFetchedFromAreSplitByAFetch() {
    P2mWorld world = P2mWorld.small(P2mWorld.small(P2mFormat.EPT).withExecutableSuperpages(false));
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    assertThat(view(world, 5) & 7).isEqualTo(HardwareView.R | HardwareView.W);
    failAt(world, 2);
    assertThat(world.p2m.shatter(5)).isEqualTo(Errno.ENOMEM);
    assertThat(P2mEntry.size(world.p2m.get(5))).isEqualTo(2);
    world.failing = 0;
    assertThat(world.p2m.shatter(5)).isEqualTo(Errno.OK);
    assertThat(view(world, 5) & 7).isEqualTo(7);
    assertThat(view(world, 9) & 7).as("still in a superpage").isEqualTo(3);
    assertThat(world.flushes).isEqualTo(1);
    assertThat(world.audit()).isEmpty();
  }

  private static long view(P2mWorld world, long gfn) {
    return HardwareView.of(world, world.p2m, gfn, new HashSet<>());
  }

  /** Hardware sees the old mapping or the new. Tables stay what they are while it may be in one. */
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa328EntriesChangeAtOnce(P2mFormat format) throws Exception {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    world.p2m.deferFlushes();
    long torn = readMeanwhile(world, 40, () -> view(world, 5) >>> 3);
    world.p2m.flushDeferred();
    assertThat(torn).isZero();
    assertThat(world.audit()).isEmpty();
  }

  /** Software needs no flush: it notices that what it read may have been freed and used anew. */
  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void aReaderWithoutALockSeesOldOrNew(P2mFormat format) throws Exception {
    P2mWorld world = world(format);
    world.p2m.add(0, 0, 4, P2mType.RAM_RW);
    assertThat(readMeanwhile(world, 3000, () -> P2mEntry.mfnOrNone(world.p2m.get(5)))).isZero();
    assertThat(world.audit()).isEmpty();
  }

  /** How often somebody saw neither frame 5 nor frame 37 while the one replaced the other. */
  private static long readMeanwhile(P2mWorld world, int rounds, LongSupplier read)
      throws InterruptedException {
    AtomicBoolean done = new AtomicBoolean();
    AtomicLong torn = new AtomicLong();
    Thread reader =
        new Thread(
            () -> {
              while (!done.get()) {
                long mfn = read.getAsLong();
                torn.addAndGet(mfn == 5 || mfn == 37 ? 0 : 1);
              }
            });
    reader.start();
    for (int i = 0; i < rounds; i++) {
      world.p2m.set(4, 36, 2, P2mType.RAM_RW, P2mAccess.RWX);
      world.p2m.shatter(5);
      world.p2m.set(0, 0, 4, P2mType.RAM_RW, P2mAccess.RWX);
    }
    done.set(true);
    reader.join();
    return torn.get();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa378DeviceMappingsAreNotReplacedOrRemovedByTheGuestsOperations(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.setSpecial(4, P2mWorld.DEVICE, 0, P2mType.MMIO_DIRECT, P2mAccess.RWX);
    assertThat(world.p2m.add(4, 4, 0, P2mType.RAM_RW)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.remove(4, P2mWorld.DEVICE, 0)).isEqualTo(Errno.EPERM);
    assertThat(world.p2m.changeType(4, P2mType.MMIO_DIRECT, P2mType.RAM_RW))
        .isEqualTo(Errno.EINVAL);
    assertThat(P2mEntry.type(world.p2m.get(4))).isEqualTo(P2mType.MMIO_DIRECT);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa379AFrameIsOneGuestFrame(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.add(4, 4, 0, P2mType.RAM_RW);
    world.p2m.add(9, 4, 0, P2mType.RAM_RW);
    assertThat(P2mEntry.hasFrame(world.p2m.get(4))).isFalse();
    assertThat(world.m2p.gfn(4)).isEqualTo(9);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa389WhatWasDoneBeforeMemoryRanOutIsAPrefix(P2mFormat format) {
    P2mWorld world = world(format);
    failAt(world, 4); // root's entry to the first mapping take three; the second 64 frames two more
    assertThat(world.p2m.add(60, 60, 3, P2mType.RAM_RW)).isEqualTo(Errno.ENOMEM);
    for (int gfn = 60; gfn < 68; gfn++) {
      assertThat(P2mEntry.hasFrame(world.p2m.get(gfn))).isEqualTo(gfn < 64);
      assertThat(world.m2p.gfn(gfn)).isEqualTo(gfn < 64 ? gfn : MachineToPhysical.NOT_MAPPED);
    }
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa409AnExhaustedPoolIsAnErrorOfThisDomainAlone(P2mFormat format) {
    P2mWorld world = new P2mWorld(P2mWorld.small(format), 256, 5);
    assertThat(world.p2m.add(0, 0, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(world.p2m.add(128, 128, 0, P2mType.RAM_RW)).isEqualTo(Errno.ENOMEM);
    assertThat(world.p2m.add(1, 1, 0, P2mType.RAM_RW)).isEqualTo(Errno.OK);
    assertThat(world.p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY))
        .isEqualTo(Errno.OK);
    assertThat(world.p2m.recalculate(1)).isEqualTo(Errno.OK);
    assertThat(world.p2m.remove(0, 0, 0)).isEqualTo(Errno.OK);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa480ATableIsFreedAfterTheFlushAndNotWhileFlushesAreDeferred(P2mFormat format) {
    P2mWorld world = world(format);
    for (int gfn = 0; gfn < 16; gfn++) {
      world.p2m.add(gfn, gfn, 0, P2mType.RAM_RW);
    }
    Set<Long> tables = new HashSet<>();
    HardwareView.of(world, world.p2m, 5, tables);
    world.learn(tables);
    long used = world.pool.used();
    world.p2m.deferFlushes();
    assertThat(world.p2m.set(0, 0, 4, P2mType.RAM_RW, P2mAccess.RWX)).isEqualTo(Errno.OK);
    assertThat(world.pool.used()).isEqualTo(used);
    long last = tables.stream().mapToLong(it -> it).max().orElseThrow();
    assertThat(world.m2p.isTable(last, P2mWorld.OURS)).isTrue();
    world.p2m.flushDeferred();
    assertThat(world.pool.used()).isEqualTo(used - 5);
    assertThat(world.audit()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(P2mFormat.class)
  void xsa486AFrameIsNotGivenBackWhileAP2mRefersToIt(P2mFormat format) {
    P2mWorld world = world(format);
    world.p2m.setSpecial(4, 300, 0, P2mType.GRANT_MAP_RW, P2mAccess.RWX);
    world.p2m.setSpecial(5, 300, 0, P2mType.GRANT_MAP_RO, P2mAccess.RWX);
    assertThat(world.m2p.references(300)).isEqualTo(2);
    assertThat(world.p2m.remove(4, 300, 0)).isEqualTo(Errno.OK);
    assertThat(world.p2m.changeType(5, P2mType.GRANT_MAP_RO, P2mType.GRANT_MAP_RW))
        .isEqualTo(Errno.OK);
    assertThat(world.m2p.references(300)).isEqualTo(1);
    assertThat(world.audit()).isEmpty();
  }
}
