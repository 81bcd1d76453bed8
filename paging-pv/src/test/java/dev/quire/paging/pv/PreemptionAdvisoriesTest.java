// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.Defects.FRAMES;
import static dev.quire.paging.pv.Defects.NEVER;
import static dev.quire.paging.pv.Defects.findsTheDefect;
import static dev.quire.paging.pv.Defects.finish;
import static dev.quire.paging.pv.Defects.fixed;
import static dev.quire.paging.pv.Defects.holds;
import static dev.quire.paging.pv.Defects.with;
import static dev.quire.paging.pv.PvWorld.RO;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingWork;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Security advisories on work that is preempted, each by its number. */
class PreemptionAdvisoriesTest {
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
}
