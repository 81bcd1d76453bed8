// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.MachineSpec;
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

  private static final int GUESTS = 3;
  private static final int[] BUDGETS = {1, 7, 50, Integer.MAX_VALUE};

  final Twins twins;
  private final SplittableRandom random;
  private final boolean coherent;
  private final List<RandomGuest> guests = new ArrayList<>();

  RandomProgram(MachineSpec spec, SplittableRandom random, boolean coherent) {
    this.random = random;
    this.coherent = coherent;
    twins = new Twins(spec, !coherent);
    List<RandomTables> tables = new ArrayList<>();
    long base = 0x10000;
    for (Shape shape : List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL)) {
      RandomTables made = new RandomTables(shape, base, random, coherent);
      made.fill(twins);
      tables.add(made);
      base += 0x10000;
    }
    for (int tag = 0; tag < GUESTS; tag++) {
      RandomGuest guest = new RandomGuest(tag, spec.profile(), tables, random, coherent);
      guests.add(guest);
      guest.boot(twins);
    }
  }

  void run(int blocks) {
    for (int i = 0; i < blocks; i++) {
      RandomGuest guest = guests.get(random.nextInt(GUESTS));
      host(guest);
      twins.clear();
      int operations = 1 + random.nextInt(random.nextInt(3) == 0 ? 200 : 20);
      boolean ends = false;
      while (twins.block.size() < operations && !ends) {
        ends = guest.operate(twins);
      }
      twins.run(guest.control, BUDGETS[random.nextInt(BUDGETS.length)]);
    }
    twins.compareMemory();
  }

  private void host(RandomGuest guest) {
    int tag = guest.control.ours.tag();
    switch (random.nextInt(24)) {
      case 0, 1, 2, 3, 4, 5, 6, 7 -> edit(guest);
      case 8 -> flush();
      case 9 -> {
        twins.ours.cpu.flushTag(tag);
        twins.reference.translator().dropTag(tag);
      }
      case 10 -> {
        long linear = guest.current().address();
        twins.ours.cpu.flushLinear(tag, linear);
        twins.reference.translator().dropLinear(tag, linear);
      }
      case 11 -> {
        twins.ours.cpu.requestFlush();
        twins.reference.requestFlush();
      }
      case 12 -> {
        boolean kernelIsUser = random.nextBoolean();
        guest.control.both(c -> c.kernelIsUser(kernelIsUser));
      }
      case 13, 14 -> intercept(guest);
      default -> {}
    }
  }

  private void flush() {
    twins.ours.cpu.flush();
    twins.reference.translator().dropAll();
  }

  private void edit(RandomGuest guest) {
    int edits = 1 + random.nextInt(4);
    for (int i = 0; i < edits; i++) {
      guest.current().edit(twins);
    }
    if (coherent) {
      flush();
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
