// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestPolicy;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Worlds as they should be and worlds with a defect, for checks that must hold in the first and
 * find what is wrong in the second.
 */
final class Defects {
  static final int FRAMES = 16;
  static final BooleanSupplier NEVER = () -> false;
  static final long NONE = FrameTable.NO_PARENT;

  private Defects() {}

  static PvWorld fixed(BooleanSupplier yields) {
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, yields);
  }

  static PvWorld with(Seam.Defect defect, BooleanSupplier yields) {
    FrameTable real = PvWorld.detached(FRAMES);
    FrameTable broken = Seam.between(FrameTable.class, real, defect);
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, yields, EntryMasks.XEN, broken);
  }

  static PvWorld with(EntryMasks masks) {
    return new PvWorld(FRAMES, 512, GuestPolicy.PLAIN, NEVER, masks, PvWorld.detached(FRAMES));
  }

  static void holds(PvWorld world, Consumer<PvWorld> check) {
    check.accept(world);
    assertThat(world.audit()).isEmpty();
  }

  /** The check, on what is right and on what is not. */
  static void findsTheDefect(PvWorld right, PvWorld broken, Consumer<PvWorld> check) {
    holds(right, check);
    assertThatThrownBy(() -> holds(broken, check))
        .as("the defect")
        .isInstanceOfAny(AssertionError.class, IllegalStateException.class);
  }

  static void finish(PvWorld world) {
    assertThat(world.work.finish(world.frames)).isEqualTo(Errno.OK);
  }
}
