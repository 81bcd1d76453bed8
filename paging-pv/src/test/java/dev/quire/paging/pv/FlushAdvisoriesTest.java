// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.Defects.FRAMES;
import static dev.quire.paging.pv.Defects.NEVER;
import static dev.quire.paging.pv.PvWorld.RW;
import static dev.quire.paging.pv.PvWorld.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.hypervisor.frames.FlushClock;
import dev.quire.hypervisor.frames.MachineFrameTable;
import org.junit.jupiter.api.Test;

/** Security advisories on what is flushed and when, each by its number. */
class FlushAdvisoriesTest {
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
    FrameTable seen = flushesFirst ? flushingBefore(real, flushed) : real;
    world[0] = new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, EntryMasks.XEN, seen);
    world[0].tree();
    assertThat(world[0].update(0, 1, entry(9, RW))).isEqualTo(Errno.OK);
    assertThat(world[0].update(0, 1, 0)).isEqualTo(Errno.OK);
    attack[0] = true;
    assertThat(world[0].pin(9, 1)).isEqualTo(Errno.OK);
    assertThat(stale[0]).as("writable translations of a table").isZero();
    assertThat(world[0].audit()).isEmpty();
  }

  /** A frame table that flushes before it commits a frame to be a table. */
  private static FrameTable flushingBefore(FrameTable real, Runnable flushed) {
    long table = FrameWords.of(FrameType.L1);
    return Seam.between(
        FrameTable.class,
        real,
        (method, arguments, call) -> {
          if (method.equals("getType") && (Long) arguments[1] == table) {
            flushed.run();
          }
          return call.call();
        });
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
