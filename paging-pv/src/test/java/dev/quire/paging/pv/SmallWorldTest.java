// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.PagingWork;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Eight frames, tables of four entries, two vCPUs that are preempted anywhere: whatever they ask
 * for, all counts are right after every step, and every refusal leaves them as they were.
 */
class SmallWorldTest {
  private static final int FRAMES = 8;
  private static final int SLOTS = 4;
  private static final int STEPS = 15_000;

  private final Random random = new Random();
  private int impatience;

  @ParameterizedTest
  @ValueSource(ints = {0, 2, 5})
  void everyStepOfEveryProgramLeavesTheCountsRight(int preemptOneIn) {
    impatience = preemptOneIn;
    everyStepLeavesTheCountsRight(world(), preemptOneIn);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, 5})
  void soDoesEveryProgramOfA32BitGuest(int preemptOneIn) {
    impatience = preemptOneIn;
    everyStepLeavesTheCountsRight(
        PvWorld.pae(FRAMES, SLOTS, () -> impatience != 0 && random.nextInt(impatience) == 0),
        preemptOneIn);
  }

  private void everyStepLeavesTheCountsRight(PvWorld world, int preemptOneIn) {
    random.setSeed(11 + preemptOneIn);
    PagingWork[] vcpus = {world.work, world.other};
    int done = 0;
    for (int step = 0; step < STEPS; step++) {
      PagingWork vcpu = vcpus[random.nextInt(2)];
      String what = "step " + step + " of seed " + (11 + preemptOneIn);
      if (vcpu.finish(world.frames).isOk()) {
        done += operation(world, vcpu).isOk() ? 1 : 0;
      }
      assertThat(world.audit()).as(what).isEmpty();
    }
    assertThat(done).isGreaterThan(STEPS / 20);
  }

  @Test
  void whatIsUnpinnedAndUnmappedInTheEndLeavesNoReference() {
    random.setSeed(5);
    PvWorld world = world();
    for (int step = 0; step < 5_000; step++) {
      world.work.finish(world.frames);
      operation(world, world.work);
    }
    for (int round = 0; round < 2 * FRAMES; round++) {
      for (int mfn = 0; mfn < FRAMES; mfn++) {
        world.work.finish(world.frames);
        world.unpin(mfn);
      }
      clearLinearEntries(world);
    }
    for (int mfn = 0; mfn < FRAMES; mfn++) {
      assertThat(world.typeCount(mfn)).isZero();
      assertThat(world.count(mfn)).isOne();
    }
  }

  /**
   * A linear entry keeps tables alive that nobody else holds, as cycles do on Xen until tear-down.
   */
  private static void clearLinearEntries(PvWorld world) {
    for (int mfn = 0; mfn < FRAMES; mfn++) {
      for (int slot = 0; slot < SLOTS; slot++) {
        world.work.finish(world.frames);
        world.update(mfn, slot, 0);
      }
    }
    world.work.finish(world.frames);
  }

  private PvWorld world() {
    return new PvWorld(
        FRAMES, SLOTS, GuestPolicy.PLAIN, () -> impatience != 0 && random.nextInt(impatience) == 0);
  }

  private Errno operation(PvWorld world, PagingWork vcpu) {
    int mfn = random.nextInt(FRAMES);
    return switch (random.nextInt(8)) {
      case 0, 1 -> world.tables.pin(Addresses.mfn(mfn), 1 + random.nextInt(4), vcpu);
      case 2 -> world.tables.unpin(Addresses.mfn(mfn), vcpu);
      case 3 -> world.tables.clear(Addresses.mfn(mfn), vcpu);
      default -> {
        long target = random.nextInt(FRAMES + 1); // one beyond the frame table
        long flags = random.nextInt(4) == 0 ? 0 : random.nextBoolean() ? PvWorld.RO : PvWorld.RW;
        long pointer = (long) mfn << 12 | (long) random.nextInt(SLOTS) << 3;
        yield world.tables.update(
            Addresses.maddr(pointer),
            PvWorld.entry(target, flags),
            random.nextBoolean(),
            PvWorld.GUEST,
            vcpu);
      }
    };
  }
}
