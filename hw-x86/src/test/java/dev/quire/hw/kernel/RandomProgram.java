// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.x86.CpuProfile;
import dev.quire.hw.reference.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** A few random guests on one CPU, with a host that edits, flushes and intercepts. */
final class RandomProgram {
  /** Guests invalidate when they like; counters are compared. */
  static final boolean ANYTHING = false;

  /** Every edit is followed by a flush; the reference caches nothing. */
  static final boolean COHERENT = true;

  /** How many programs a test runs at most, where one asks for quick tests. */
  private static final int AT_MOST = Integer.getInteger("quire.programs", Integer.MAX_VALUE);

  private static final int GUESTS = 3;
  private static final int[] BUDGETS = {1, 7, 50, Integer.MAX_VALUE};

  private final Rig rig;
  private final SplittableRandom random;
  private final boolean coherent;
  private final List<RandomGuest> guests = new ArrayList<>();

  RandomProgram(Rig rig, CpuProfile cpu, SplittableRandom random, boolean coherent) {
    this.rig = rig;
    this.random = random;
    this.coherent = coherent;
    List<RandomTables> tables = new ArrayList<>();
    long base = 0x10000;
    for (Shape shape : List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL)) {
      RandomTables made = new RandomTables(shape, base, random, coherent);
      made.fill(rig);
      tables.add(made);
      base += 0x10000;
    }
    for (int tag = 0; tag < GUESTS; tag++) {
      RandomGuest guest = new RandomGuest(tag, cpu, tables, random, coherent);
      guests.add(guest);
      guest.boot(rig);
    }
  }

  /** So many programs, or fewer where that is asked for: mutation testing runs few. */
  static int programs(int normally) {
    return Math.min(normally, AT_MOST);
  }

  void run(int blocks) {
    for (int i = 0; i < blocks; i++) {
      RandomGuest guest = guests.get(random.nextInt(GUESTS));
      host(guest);
      rig.clear();
      int operations = 1 + random.nextInt(random.nextInt(3) == 0 ? 200 : 20);
      boolean ends = false;
      while (rig.block().size() < operations && !ends) {
        ends = guest.operate(rig);
      }
      rig.run(guest.control, BUDGETS[random.nextInt(BUDGETS.length)]);
    }
  }

  private void host(RandomGuest guest) {
    int tag = guest.control.ours.tag();
    switch (random.nextInt(24)) {
      case 0, 1, 2, 3, 4, 5, 6, 7 -> edit(guest);
      case 8 -> rig.flush();
      case 9 -> rig.flushTag(tag);
      case 10 -> rig.flushLinear(guest.control, guest.current().address());
      case 11 -> rig.requestFlush();
      case 12 -> {
        boolean kernelIsUser = random.nextBoolean();
        guest.control.both(c -> c.kernelIsUser(kernelIsUser));
      }
      case 13, 14 -> intercept(guest);
      default -> {}
    }
  }

  private void edit(RandomGuest guest) {
    int edits = 1 + random.nextInt(4);
    for (int i = 0; i < edits; i++) {
      guest.current().edit(rig);
    }
    if (coherent) {
      rig.flush();
    }
  }

  private void intercept(RandomGuest guest) {
    boolean any = random.nextInt(3) == 0;
    long cr0 = any ? random.nextLong() : 0;
    long cr4 = any ? random.nextLong() : 0;
    long cr0Shadow = guest.control.ours.registers().cr0 ^ sparse();
    long cr4Shadow = guest.control.ours.registers().cr4 ^ sparse();
    boolean cr3 = any && random.nextBoolean();
    boolean efer = any && random.nextBoolean();
    boolean keys = any && random.nextBoolean();
    boolean invalidation = any && random.nextBoolean();
    int mask = random.nextInt(32);
    int match = random.nextInt(32) & mask;
    guest.control.both(
        c -> {
          c.interceptRegisters(cr0, cr3, cr4, efer, keys);
          c.shadows(cr0Shadow, cr4Shadow);
          c.interceptInvalidation(invalidation);
          if (any) {
            c.interceptPageFaults(mask, match);
          } else {
            c.passPageFaults();
          }
        });
  }

  /** No bits, or two neighbours. */
  private long sparse() {
    return random.nextInt(3) == 0 ? 0 : 3L << random.nextInt(26);
  }
}
