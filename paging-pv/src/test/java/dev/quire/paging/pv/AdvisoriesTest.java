// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvWorld.RO;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import dev.quire.hypervisor.frames.FlushClock;
import dev.quire.hypervisor.frames.MachineFrameTable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/**
 * Security advisories on the types of frames, each by its number. Where a defect is given, the same
 * check is made with it, to see that the check finds what the advisory was about.
 */
class AdvisoriesTest {
  private static final int FRAMES = 16;
  private static final BooleanSupplier NEVER = () -> false;
  private static final long NONE = FrameTable.NO_PARENT;

  private static PvWorld fixed(BooleanSupplier yields) {
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, yields);
  }

  private static PvWorld with(Seam.Defect defect, BooleanSupplier yields) {
    FrameTable real = PvWorld.detached(FRAMES);
    FrameTable broken = Seam.between(FrameTable.class, real, defect);
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, yields, EntryMasks.XEN, broken);
  }

  private static PvWorld with(EntryMasks masks) {
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, masks, PvWorld.detached(FRAMES));
  }

  private static void holds(PvWorld world, Consumer<PvWorld> check) {
    check.accept(world);
    assertThat(world.audit()).isEmpty();
  }

  /** The check, on what is right and on what is not. */
  private static void findsTheDefect(PvWorld right, PvWorld broken, Consumer<PvWorld> check) {
    holds(right, check);
    assertThatThrownBy(() -> holds(broken, check))
        .as("the defect")
        .isInstanceOfAny(AssertionError.class, IllegalStateException.class);
  }

  /** A world that yields at the so-manieth question, once; told by how many were asked. */
  private static final class Once implements BooleanSupplier {
    private int left;

    Once(int questions) {
      left = questions;
    }

    @Override
    public boolean getAsBoolean() {
      return left-- == 0;
    }
  }

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

  private static void finish(PvWorld world) {
    assertThat(world.work.finish(world.frames)).isEqualTo(Errno.OK);
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

  // ---- preemption ----

  @Test
  void xsa045andXsa290longCallsStopAndGetOn() {
    Consumer<PvWorld> check =
        world -> {
          for (int table = 0; table < 4; table++) {
            world.write(8, table, entry(table, RW));
          }
          world.write(9, 0, entry(8, RW));
          int stops = 0;
          while (world.pin(9, 3) == Errno.ERESTART) {
            stops++;
            assertThat(world.audit()).isEmpty();
          }
          assertThat(stops).as("stops").isGreaterThan(500);
          assertThat(world.type(9)).isEqualTo(FrameType.L3);
        };
    findsTheDefect(fixed(() -> true), fixed(NEVER), check);
  }

  @Test
  void xsa058aPinThatFailsAfterItWasPreemptedLeavesNoReference() {
    AtomicInteger puts = new AtomicInteger();
    Seam.Defect forgets =
        (method, arguments, call) ->
            method.equals("put") && puts.getAndIncrement() == 0 ? null : call.call();
    findsTheDefect(
        fixed(new Once(2)),
        with(forgets, new Once(2)),
        world -> {
          for (int slot = 0; slot < 4; slot++) {
            world.write(8, slot, entry(slot, RW));
          }
          world.write(3, 0, entry(3, RW)); // the last child cannot be a level-1 table
          assertThat(world.pin(8, 2)).isEqualTo(Errno.ERESTART);
          assertThat(world.pin(8, 2)).isEqualTo(Errno.EBUSY);
          finish(world);
          for (int mfn = 0; mfn < FRAMES; mfn++) {
            assertThat(world.count(mfn)).isOne();
            assertThat(world.typeCount(mfn)).isZero();
          }
        });
  }

  @Test
  void xsa299theChildAtWhichWorkStoppedIsNotForgotten() {
    Seam.Defect forgets =
        (method, arguments, call) -> {
          if (method.equals("progress")) {
            arguments[2] = false;
          }
          return call.call();
        };
    Consumer<PvWorld> check =
        world -> {
          deep(world);
          int rounds = 0;
          while (world.pin(10, 4) == Errno.ERESTART && rounds++ < 10_000) {
            assertThat(world.audit()).isEmpty();
          }
          assertThat(world.unpin(10)).isEqualTo(Errno.OK);
          while (world.work.finish(world.frames) == Errno.ERESTART && rounds++ < 10_000) {
            assertThat(world.audit()).isEmpty();
          }
          assertThat(world.typeCount(0)).isZero();
        };
    for (int every = 1; every < 7; every++) {
      int step = every;
      AtomicInteger right = new AtomicInteger();
      holds(fixed(() -> right.incrementAndGet() % step == 0), check);
    }
    AtomicInteger wrong = new AtomicInteger();
    PvWorld broken = with(forgets, () -> wrong.incrementAndGet() % 3 == 0);
    assertThatThrownBy(() -> holds(broken, check))
        .isInstanceOfAny(AssertionError.class, IllegalStateException.class);
  }

  /** Tables 10 (level 4), 9, 8 with four level-1 tables in the last slots. */
  private static void deep(PvWorld world) {
    world.write(10, 0, entry(9, RW));
    world.write(9, 1, entry(8, RW));
    for (int table = 0; table < 4; table++) {
      world.write(8, table * 2, entry(table, RW));
    }
  }

  @Test
  void xsa309theLinearCountOutlivesAResumption() {
    PvWorld world = fixed(new Once(3));
    assertThat(world.pin(9, 2)).isEqualTo(Errno.ERESTART);
    assertThat(world.pin(9, 2)).isEqualTo(Errno.OK);
    AtomicInteger asked = new AtomicInteger();
    PagingWork hasty = new PagingWork(() -> asked.incrementAndGet() == 4);
    world.write(8, 1, entry(9, RO));
    assertThat(world.tables.pin(Addresses.mfn(8), 2, hasty)).isEqualTo(Errno.ERESTART);
    assertThat(world.frames.linear(Addresses.mfn(8))).isOne();
    assertThat(world.tables.pin(Addresses.mfn(8), 2, hasty)).isEqualTo(Errno.OK);
    assertThat(world.frames.linear(Addresses.mfn(8))).isOne();
    assertThat(world.frames.linear(Addresses.mfn(9))).isEqualTo(-1);
    assertThat(world.audit()).isEmpty();
  }

  @Test
  void xsa310aTearDownThatStopsKeepsWhatItHolds() {
    FrameTable real = PvWorld.detached(FRAMES);
    FrameTable broken =
        Seam.between(
            FrameTable.class,
            real,
            (method, arguments, call) -> {
              Object result = call.call();
              if (method.equals("putType") && result == Errno.ERESTART) {
                real.put(Addresses.mfn((Long) arguments[0])); // what the partial state should hold
              }
              return result;
            });
    Consumer<PvWorld> check =
        world -> {
          deep(world);
          assertThat(world.tables.pin(Addresses.mfn(10), 4, new PagingWork(NEVER)))
              .isEqualTo(Errno.OK);
          assertThat(world.unpin(10)).isEqualTo(Errno.OK);
          int stops = 0;
          do {
            assertThat(world.audit()).isEmpty();
            stops++;
          } while (world.work.finish(world.frames) == Errno.ERESTART);
          assertThat(stops).isGreaterThan(100);
        };
    findsTheDefect(
        fixed(() -> true),
        new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, () -> true, EntryMasks.XEN, broken),
        check);
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

  // ---- commit, then flush ----

  @Test
  void xsa401theTypeIsCommittedBeforeAnybodyFlushes() {
    check401(false);
    assertThatThrownBy(() -> check401(true)).isInstanceOf(AssertionError.class);
  }

  /**
   * While one CPU makes frame 9 a table, another tries to get a writable translation of it, at the
   * moment at which TLBs are flushed. What it gets after the flush would stay.
   */
  private static void check401(boolean flushesFirst) {
    PvWorld[] world = new PvWorld[1];
    boolean[] attack = {false};
    int[] stale = {0};
    Runnable flushed =
        () -> {
          stale[0] = 0;
          if (attack[0]) {
            attack[0] = false;
            Errno mapped = update(world[0], entry(9, RW));
            stale[0] = mapped.isOk() ? 1 : 0; // a CPU uses it and so caches it
            update(world[0], 0);
          }
        };
    FrameTable real =
        MachineFrameTable.of(
            Addresses.mfn(FRAMES),
            new FlushClock(2),
            (owner, stamp, fromTable) -> {
              if (!flushesFirst) {
                flushed.run();
              }
            },
            freed -> {});
    long table = FrameWords.of(FrameType.L1);
    FrameTable seen =
        Seam.between(
            FrameTable.class,
            real,
            (method, arguments, call) -> {
              if (flushesFirst && method.equals("getType") && (Long) arguments[1] == table) {
                flushed.run();
              }
              return call.call();
            });
    world[0] = new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, EntryMasks.XEN, seen);
    world[0].tree();
    assertThat(world[0].update(0, 1, entry(9, RW))).isEqualTo(Errno.OK);
    assertThat(world[0].update(0, 1, 0)).isEqualTo(Errno.OK);
    attack[0] = true;
    assertThat(world[0].pin(9, 1)).isEqualTo(Errno.OK);
    assertThat(stale[0]).as("writable translations of a table").isZero();
    assertThat(world[0].audit()).isEmpty();
  }

  private static Errno update(PvWorld world, long value) {
    @Mfn long table = Addresses.mfn(0);
    return world.tables.update(
        Addresses.mfnToMaddr(table, 8), value, false, PvWorld.GUEST, world.other);
  }

  @Test
  void xsa408flushesAreDecidedByTheOldType() {
    int[] flushes = {0};
    FrameTable frames =
        MachineFrameTable.of(
            Addresses.mfn(FRAMES),
            new FlushClock(2),
            (owner, stamp, fromTable) -> flushes[0]++,
            freed -> {});
    PvWorld world = new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, EntryMasks.XEN, frames);
    world.tree();
    world.update(0, 1, entry(9, RW));
    world.update(0, 1, 0);
    int before = flushes[0];
    assertThat(world.pin(9, 1)).isEqualTo(Errno.OK);
    assertThat(flushes[0] - before).as("writable to table").isOne();
    world.unpin(9);
    assertThat(world.pin(9, 1)).isEqualTo(Errno.OK);
    assertThat(flushes[0] - before).as("the same type again").isOne();
  }

  @Test
  void xsa241stampsAndFlushesAreOrdered() {
    FlushClock clock = new FlushClock(1);
    int stamp = clock.now();
    assertThat(clock.mayHold(0, stamp)).as("never flushed").isTrue();
    int round = clock.tick();
    assertThat(clock.mayHold(0, stamp)).as("begun is not done").isTrue();
    clock.flushed(0, round);
    assertThat(clock.mayHold(0, stamp)).isFalse();
    assertThat(clock.mayHold(0, clock.now())).as("stamped since").isTrue();
    clock.set(-1);
    assertThat(clock.tick()).as("wrapped").isZero();
    assertThat(clock.mayHold(0, stamp)).as("everybody is suspect").isTrue();
    clock.restart();
    assertThat(clock.mayHold(0, clock.now())).isTrue();
  }
}
