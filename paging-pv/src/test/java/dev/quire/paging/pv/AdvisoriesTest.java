// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.Defects.FRAMES;
import static dev.quire.paging.pv.Defects.NEVER;
import static dev.quire.paging.pv.Defects.NONE;
import static dev.quire.paging.pv.Defects.findsTheDefect;
import static dev.quire.paging.pv.Defects.finish;
import static dev.quire.paging.pv.Defects.fixed;
import static dev.quire.paging.pv.Defects.holds;
import static dev.quire.paging.pv.Defects.with;
import static dev.quire.paging.pv.PvWorld.RO;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameTypeValidator;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.x86.PageEntry;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Security advisories on entries, ownership and types of frames, each by its number. */
class AdvisoriesTest {
  // ---- parsing and ownership ----

  @Test
  void xsa032wildFramesAreAnswersNotExceptions() {
    PvWorld world = fixed(NEVER);
    for (long wild : new long[] {FRAMES, 1L << 30, (1L << 40) - 1, (1L << 52) - 1}) {
      assertThat(world.pin(wild, 1)).isEqualTo(Errno.EINVAL);
      assertThat(world.unpin(wild)).isEqualTo(Errno.EINVAL);
      assertThat(world.update(wild, 0, 0)).isEqualTo(Errno.EINVAL);
      assertThat(world.tables.clear(Addresses.mfn(wild), world.work)).isEqualTo(Errno.EINVAL);
    }
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void xsa037anyErrorOfTypingIsHandedOn() {
    holds(
        fixed(NEVER),
        world -> {
          world.write(0, 0, entry(0, RW)); // an L1 that fails with EBUSY, not EINVAL
          world.write(1, 0, entry(0, RW));
          assertThat(world.pin(1, 2)).isEqualTo(Errno.EBUSY);
        });
  }

  @Test
  void xsa154devicesAreMappedUncached() {
    GuestPolicy devices =
        new GuestPolicy() {
          @Override
          public boolean mayMapDevice(@Mfn long mfn) {
            return true;
          }

          @Override
          public boolean controlsMemoryTypes() {
            return true;
          }
        };
    PvWorld world = new PvWorld(FRAMES, 512, devices, NEVER);
    world.tree();
    assertThat(world.update(0, 0, entry(FRAMES + 5, RW))).isEqualTo(Errno.OK);
    assertThat(world.read(0, 0) & EntryRules.MEMORY_TYPE).isEqualTo(PageEntry.PWT | PageEntry.PCD);
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void xsa248framesOfTheHypervisorsAreNobodysToMap() {
    holds(
        fixed(NEVER),
        world -> {
          world.tree();
          world.frames.release(Addresses.mfn(9)); // as one that went into a pool
          assertThat(world.update(0, 0, entry(9, RW))).isEqualTo(Errno.EBUSY);
          assertThat(world.update(0, 0, entry(9, RO))).isEqualTo(Errno.EBUSY);
          world.frames.assign(Addresses.mfn(9), PvWorld.GUEST, FrameWords.ALLOCATED);
        });
  }

  // ---- entries ----

  @Test
  void xsa148aFlagAloneMakesNoSuperpage() {
    EntryMasks xen = EntryMasks.XEN;
    EntryMasks broken =
        new EntryMasks(xen.leaf(), xen.upper() & ~PageEntry.PS, xen.uncounted() | PageEntry.PS);
    findsTheDefect(
        fixed(NEVER),
        with(broken),
        world -> {
          world.tree();
          for (int level = 2; level <= 4; level++) {
            long now = world.read(level - 1, 0);
            assertThat(world.update(level - 1, 0, now | PageEntry.PS)).isEqualTo(Errno.EINVAL);
            assertThat(world.read(level - 1, 0)).isEqualTo(now);
          }
        });
  }

  @Test
  void xsa182aFlagAloneMakesNoLinearEntryWritable() {
    EntryMasks xen = EntryMasks.XEN;
    EntryMasks broken = new EntryMasks(xen.leaf(), xen.upper(), xen.uncounted() | PageEntry.RW);
    findsTheDefect(
        fixed(NEVER),
        with(broken),
        world -> {
          world.tree();
          assertThat(world.update(3, 5, entry(3, RO))).isEqualTo(Errno.OK);
          assertThat(world.update(3, 5, entry(3, RW))).isEqualTo(Errno.EINVAL);
        });
  }

  @Test
  void singleBitsDecideTheSameOnBothPaths() {
    for (int bit = 0; bit < Long.SIZE; bit++) {
      for (int level = 1; level <= 4; level++) {
        if (bit < 12 || bit > 51) {
          PvWorld fast = fixed(NEVER);
          PvWorld slow = fixed(NEVER);
          fast.tree();
          slow.tree();
          long target = level == 1 ? 9 : level - 2;
          long base = entry(target, RO);
          fast.update(level - 1, 0, base);
          slow.update(level - 1, 0, 0);
          finish(fast);
          finish(slow);
          long changed = base ^ 1L << bit;
          assertThat(fast.update(level - 1, 0, changed))
              .as("bit %d at level %d", bit, level)
              .isEqualTo(slow.update(level - 1, 0, changed));
          finish(fast);
          finish(slow);
          assertThat(fast.audit()).isEmpty();
        }
      }
    }
  }

  @Test
  void xsa240linearTablesMakeNoChains() {
    FrameTable real = PvWorld.detached(FRAMES);
    FrameTable broken =
        Seam.between(
            FrameTable.class,
            real,
            (method, arguments, call) ->
                method.equals("getLinear") ? takeAsOne(real, arguments) : call.call());
    findsTheDefect(
        fixed(NEVER),
        new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, EntryMasks.XEN, broken),
        world -> {
          for (long table : new long[] {8, 9, 10}) {
            assertThat(world.pin(table, 4)).isEqualTo(Errno.OK);
          }
          assertThat(world.update(8, 5, entry(9, RO))).isEqualTo(Errno.OK);
          assertThat(world.update(9, 5, entry(10, RO))).as("a chain").isEqualTo(Errno.EINVAL);
          assertThat(world.update(10, 5, entry(8, RO))).as("a ring").isEqualTo(Errno.EINVAL);
          assertThat(world.update(8, 5, 0)).isEqualTo(Errno.OK);
          finish(world);
        });
  }

  /** A linear reference that nobody counts as one. */
  private static boolean takeAsOne(FrameTable real, Object[] arguments) {
    @Mfn long mfn = Addresses.mfn((Long) arguments[0]);
    long type = real.typeWord(mfn) & FrameWords.TYPE;
    return real.get(mfn, (Integer) arguments[2])
        && real.getType(mfn, type, new PagingWork(NEVER)).isOk();
  }

  // ---- owners ----

  @Test
  void xsa214aValidatedTypeDoesNotOutliveItsOwner() {
    Function<FrameTable, FrameTable> keeps =
        real ->
            Seam.between(
                FrameTable.class,
                real,
                (method, arguments, call) -> {
                  Object result = call.call();
                  if (method.equals("assign")) {
                    @Mfn long mfn = Addresses.mfn((Long) arguments[0]);
                    long old = FrameWords.of(FrameType.SEG_DESC) | FrameWords.VALIDATED;
                    real.declare(mfn, old, real.countWord(mfn));
                  }
                  return result;
                });
    Consumer<PvWorld> check =
        world -> {
          @Mfn long mfn = Addresses.mfn(9);
          long descriptors = FrameWords.of(FrameType.SEG_DESC);
          assertThat(world.frames.getType(mfn, descriptors, world.work)).isEqualTo(Errno.OK);
          world.frames.putType(mfn, Addresses.mfn(NONE), false, world.work);
          world.frames.release(mfn);
          world.write(9, 0, 1L << 47 | 5L << 40); // a task gate
          world.frames.assign(mfn, PvWorld.GUEST, FrameWords.ALLOCATED);
          assertThat(world.frames.getType(mfn, descriptors, world.work)).isEqualTo(Errno.EINVAL);
        };
    PvWorld broken =
        new PvWorld(
            FRAMES,
            512,
            GuestPolicy.PLAIN,
            NEVER,
            EntryMasks.XEN,
            keeps.apply(PvWorld.detached(FRAMES)));
    findsTheDefect(fixed(NEVER), broken, check);
  }

  @Test
  void xsa242aLockIsNeverTheLastReference() {
    PvWorld world = fixed(() -> true);
    world.write(8, 0, 0);
    PagingWork patient = new PagingWork(NEVER);
    @Mfn long mfn = Addresses.mfn(8);
    assertThat(world.tables.pin(mfn, 1, patient)).isEqualTo(Errno.OK);
    assertThat(world.frames.lock(mfn)).isTrue();
    world.frames.unpin(mfn);
    assertThat(world.frames.putType(mfn, Addresses.mfn(NONE), false, world.work))
        .as("would leave the lock alone")
        .isEqualTo(Errno.EINTR);
    world.frames.unlock(mfn);
    assertThat(world.frames.putType(mfn, Addresses.mfn(NONE), false, patient)).isEqualTo(Errno.OK);
    world.frames.put(mfn);
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void xsa280linearCountsAndFlagsOfOthersAreApart() {
    PvWorld world = fixed(NEVER);
    assertThat(world.pin(8, 3)).isEqualTo(Errno.OK);
    assertThat(world.pin(9, 3)).isEqualTo(Errno.OK);
    assertThat(world.update(8, 1, entry(9, RO))).isEqualTo(Errno.OK);
    world.frames.progress(Addresses.mfn(9), 77, true);
    assertThat(world.frames.linear(Addresses.mfn(9))).isEqualTo(-1);
    assertThat(world.frames.validated(Addresses.mfn(9))).isEqualTo(77);
  }

  @Test
  void xsa291aDeviceMappingThatFailsTakesTheTypeBack() {
    PvWorld world = fixed(NEVER);
    boolean[] fails = {true};
    FrameTypeValidator strict =
        new FrameTypeValidator() {
          @Override
          public Errno validate(@Mfn long mfn, long type, PagingWork work) {
            return Errno.OK;
          }

          @Override
          public Errno devalidate(@Mfn long mfn, long type, PagingWork work) {
            return Errno.OK;
          }

          @Override
          public Errno writabilityChanged(@Mfn long mfn, boolean writable) {
            return fails[0] ? Errno.ENOMEM : Errno.OK;
          }
        };
    world.frames.validator(PvWorld.GUEST, strict);
    long writable = FrameWords.of(FrameType.WRITABLE);
    @Mfn long mfn = Addresses.mfn(9);
    assertThat(world.frames.getType(mfn, writable, world.work)).isEqualTo(Errno.ENOMEM);
    assertThat(world.typeCount(9)).isZero();
    fails[0] = false;
    assertThat(world.frames.getType(mfn, writable, world.work)).isEqualTo(Errno.OK);
    assertThat(world.typeCount(9)).isOne();
  }

  @Test
  void xsa402whatWasMappedPastTheCachesIsNotTakenForCoherent() {
    GuestPolicy devices =
        new GuestPolicy() {
          @Override
          public boolean controlsMemoryTypes() {
            return true;
          }
        };
    PvWorld world = new PvWorld(FRAMES, 512, devices, NEVER);
    world.tree();
    assertThat(world.update(0, 0, entry(9, RW | EntryRules.WRITE_COMBINING))).isEqualTo(Errno.OK);
    assertThat(nonCoherent(world, 9)).isTrue();
    assertThat(world.update(0, 0, 0)).isEqualTo(Errno.OK);
    assertThat(nonCoherent(world, 9)).as("until it becomes something else").isTrue();
    assertThat(world.pin(9, 1)).isEqualTo(Errno.OK);
    assertThat(nonCoherent(world, 9)).isFalse();
    assertThat(world.audit()).isEmpty();
  }

  private static boolean nonCoherent(PvWorld world, long mfn) {
    return (world.frames.typeWord(Addresses.mfn(mfn)) & FrameWords.NON_COHERENT) != 0;
  }
}
