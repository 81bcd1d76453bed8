// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import java.util.SplittableRandom;

/** What a toolstack does to a p2m under a guest that must not notice. */
final class P2mChanges {
  private P2mChanges() {}

  /** Two guest frames exchange their machine frames, content and all. */
  static void exchange(World world, @Gfn long one, @Gfn long other) {
    P2m p2m = world.domain().p2m();
    @Mfn long first = world.domain().gfnToMfn(one);
    @Mfn long second = world.domain().gfnToMfn(other);
    expectOk(world, p2m.remove(one, first, 0));
    expectOk(world, p2m.remove(other, second, 0));
    long[] kept = world.machine().memory().frame(first).clone();
    copy(world.machine().memory().frame(second), world.machine().memory().frame(first));
    copy(kept, world.machine().memory().frame(second));
    expectOk(world, p2m.add(one, second, 0, P2mType.RAM_RW));
    expectOk(world, p2m.add(other, first, 0, P2mType.RAM_RW));
    assertEquals(second, world.domain().gfnToMfn(one), world::toString);
    assertEquals(one, world.domain().mfnToGfn(second), world::toString);
  }

  private static void copy(long[] from, long[] to) {
    System.arraycopy(from, 0, to, 0, to.length);
  }

  /** One change of any kind, of frames in use: tables, data, large pages. */
  static void random(World world, SplittableRandom random) {
    P2m p2m = world.domain().p2m();
    @Gfn long one = Addresses.gfn(random.nextInt(Guest.SMALL_FRAMES));
    @Gfn long other = Addresses.gfn(random.nextInt(Guest.SMALL_FRAMES));
    switch (random.nextInt(4)) {
      case 0 -> {
        if (one != other) {
          exchange(world, one, other);
        }
      }
      case 1 -> expectOk(world, p2m.shatter(Addresses.gfn(random.nextInt(Guest.FRAMES))));
      case 2 -> {
        long count = 1L + random.nextInt(Guest.SMALL_FRAMES);
        expectOk(world, p2m.changeTypeRange(one, count, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY));
        expectOk(world, p2m.changeTypeRange(one, count, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW));
      }
      default -> {
        expectOk(world, p2m.changeTypeGlobal(P2mType.RAM_RW, P2mType.RAM_LOGDIRTY));
        expectOk(world, p2m.changeTypeGlobal(P2mType.RAM_LOGDIRTY, P2mType.RAM_RW));
      }
    }
  }

  private static void expectOk(World world, Errno answer) {
    assertTrue(answer.isOk(), () -> world + ": a p2m operation answers " + answer);
  }
}
