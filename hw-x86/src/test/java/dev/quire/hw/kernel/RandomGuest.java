// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.Walk;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** A guest that does anything: accesses of all kinds, edits, invalidations, register writes. */
final class RandomGuest {
  private static final int[] SIZES = {1, 2, 4, 8};
  private static final int[] PCIDS = {0, 1, 2, 5};
  private static final long[] CR4_BITS = {
    Cr4.SMEP, Cr4.SMAP, Cr4.PKE, Cr4.PKS, Cr4.PGE, Cr4.PCIDE, Cr4.PSE, Cr4.SMAP, Cr4.PKE
  };
  private static final long CR4_KEPT = Cr4.SMEP | Cr4.SMAP | Cr4.PKE | Cr4.PKS | Cr4.PGE | Cr4.PSE;
  private static final List<Shape> SHAPES =
      List.of(Shape.TWO_LEVEL, Shape.PAE, Shape.FOUR_LEVEL, Shape.FIVE_LEVEL);

  final Rig.Guest control = new Rig.Guest();
  private final CpuProfile cpu;
  private final List<RandomTables> tables;
  private final SplittableRandom random;
  private final boolean coherent;

  /** Addresses that are used again and again. */
  private final long[] hot = new long[12];

  RandomGuest(
      int tag,
      CpuProfile cpu,
      List<RandomTables> tables,
      SplittableRandom random,
      boolean coherent) {
    this.cpu = cpu;
    this.tables = tables;
    this.random = random;
    this.coherent = coherent;
    control.both(c -> c.tag(tag));
  }

  private Registers registers() {
    return control.ours.registers();
  }

  /** The tables of the mode that the guest is in. */
  RandomTables current() {
    return tables.get(SHAPES.indexOf(Shape.of(registers())));
  }

  /** Begins in some paging mode, as if a hypervisor had set it up. */
  void boot(Rig rig) {
    rig.clear();
    switchMode(rig);
    rig.run(control, Integer.MAX_VALUE);
  }

  /**
   * Adds one operation, or a few that belong together.
   *
   * @return whether the block should end here: the guest must look where it is
   */
  boolean operate(Rig rig) {
    int choice = random.nextInt(1000);
    boolean isOff = !Shape.isPaged(registers()) && choice % 16 == 0;
    boolean isSwitching = rig.block().size() == 0 && (isOff || choice % 128 == 0);
    if (isSwitching) {
      switchMode(rig);
    } else if (choice < 700) {
      long flags = accessFlags();
      long linear = linear(rig);
      rig.add(block -> block.probe(flags, linear));
    } else if (choice < 900) {
      data(rig);
    } else if (choice < 960) {
      invalidate(rig);
    } else {
      writeRegister(rig);
    }
    return isSwitching;
  }

  private long accessFlags() {
    int kind = random.nextInt(10);
    long word = kind < 5 ? 0 : kind < 8 ? Access.WRITE : Access.FETCH;
    return Access.of(word, random.nextBoolean(), random.nextInt(3) == 0);
  }

  /** Most often an address that was used before and that the tables map. */
  private long linear(Rig rig) {
    int choice = random.nextInt(200);
    if (choice == 0) {
      return random.nextLong(); // hardly ever canonical
    }
    if (choice > 60 && hot[choice % hot.length] != 0) {
      return hot[choice % hot.length] ^ random.nextInt(4096) & -8;
    }
    long linear = mappedAddress(rig);
    hot[choice % hot.length] = linear;
    return choice == 1 ? linear ^ 1L << 40 + random.nextInt(24) : linear;
  }

  private long mappedAddress(Rig rig) {
    RandomTables now = current();
    long linear = now.address();
    for (int i = 0; i < 4 && Shape.isPaged(registers()); i++) {
      Demand read = new Demand(linear, false, false, false, true);
      if (Walk.fromRoot(cpu, registers(), now.shape(), rig.memory(), read).succeeds()) {
        return linear;
      }
      linear = now.address();
    }
    return linear;
  }

  private void data(Rig rig) {
    boolean user = random.nextBoolean();
    boolean alignmentCheck = random.nextBoolean();
    long linear = linear(rig);
    int bytes = SIZES[random.nextInt(4)];
    long value = random.nextInt(8) == 0 ? random.nextLong() : current().anyEntry();
    switch (random.nextInt(5)) {
      case 0, 1 -> rig.add(b -> b.load(Access.of(0, user, alignmentCheck), linear, bytes));
      case 2, 3 ->
          rig.add(
              b -> b.store(Access.of(Access.WRITE, user, alignmentCheck), linear, bytes, value));
      default -> rig.add(b -> b.compareExchange(user, alignmentCheck, linear, bytes, 0, value));
    }
  }

  private void invalidate(Rig rig) {
    long linear = linear(rig);
    int choice = random.nextInt(10);
    if (choice < 5) {
      rig.add(b -> b.control(Kind.INVLPG, linear));
    } else if (choice < 9) {
      long pcid = random.nextInt(30) == 0 ? 0x1000 : pcid();
      long type = random.nextInt(30) == 0 ? 4 : random.nextInt(4);
      rig.add(b -> b.control(Kind.INVPCID, linear, pcid << 32 | type));
    } else {
      loadCr3(rig);
    }
  }

  private long pcid() {
    return PCIDS[random.nextInt(PCIDS.length)];
  }

  /** In a coherent guest each PCID belongs to one root. */
  private void loadCr3(Rig rig) {
    boolean pcids = (registers().cr4 & Cr4.PCIDE) != 0;
    int which = random.nextInt(2);
    long pcid = coherent ? 1 + which : pcid();
    boolean keep = pcids && random.nextBoolean();
    long operand = current().root(which) | (pcids ? pcid : 0) | (keep ? Long.MIN_VALUE : 0);
    rig.add(b -> b.control(Kind.MOV_CR3, operand));
  }

  private void writeRegister(Rig rig) {
    Registers now = registers();
    switch (random.nextInt(coherent ? 8 : 12)) {
      case 0 -> write(rig, Kind.MOV_CR0, now.cr0 ^ Cr0.WP);
      case 1, 2, 3 -> write(rig, Kind.MOV_CR4, now.cr4 ^ CR4_BITS[random.nextInt(CR4_BITS.length)]);
      case 4 -> write(rig, Kind.WRMSR_EFER, now.efer ^ Efer.NXE);
      case 5, 6 -> write(rig, Kind.WRPKRU, random.nextInt(0x100));
      case 7 -> write(rig, Kind.WRMSR_PKRS, random.nextInt(0x100));
      case 8 -> restore(rig, now);
      case 9 -> write(rig, Kind.HYPERCALL, 0);
      case 10 -> write(rig, Kind.MOV_CR0, now.cr0 ^ 1L << random.nextInt(33));
      default -> write(rig, Kind.MOV_CR4, now.cr4 ^ 1L << random.nextInt(26));
    }
  }

  private static void write(Rig rig, Kind kind, long operand) {
    rig.add(b -> b.control(kind, operand));
  }

  /** At the beginning of a block, where the registers are known: values must fit together. */
  private void restore(Rig rig, Registers now) {
    if (rig.block().size() != 0) {
      return;
    }
    switch (random.nextInt(6)) {
      case 0 -> write(rig, Kind.LOAD_CR0, now.cr0 ^ Cr0.WP);
      case 1 -> write(rig, Kind.LOAD_CR3, current().root(random.nextInt(2)));
      case 2 -> write(rig, Kind.LOAD_CR4, now.cr4 ^ (random.nextBoolean() ? 0 : Cr4.SMAP));
      case 3 -> write(rig, Kind.LOAD_EFER, now.efer ^ (random.nextBoolean() ? 0 : Efer.NXE));
      case 4 -> write(rig, Kind.LOAD_PKRU, random.nextInt());
      default -> {
        int index = random.nextInt(4);
        long value = now.pdptes[index] ^ (random.nextBoolean() ? 0 : 8);
        rig.add(b -> b.control(Kind.LOAD_PDPTE, value, index));
      }
    }
  }

  /** Paging off, another format, paging on. */
  private void switchMode(Rig rig) {
    RandomTables next = tables.get(random.nextInt(tables.size()));
    Registers now = registers();
    long cr4 = now.cr4 & CR4_KEPT;
    boolean isLong = next.shape().isLong();
    long wanted =
        cr4
            | (next.shape().levels() > 2 ? Cr4.PAE : 0)
            | (next.shape().levels() == 5 ? Cr4.LA57 : 0);
    long efer = now.efer & Efer.NXE | (isLong ? Efer.LME : 0);
    Arrays.fill(hot, 0);
    write(rig, Kind.MOV_CR3, current().root(0)); // PCID 0
    write(rig, Kind.MOV_CR4, now.cr4 & ~Cr4.PCIDE);
    write(rig, Kind.MOV_CR0, Cr0.PE);
    write(rig, Kind.MOV_CR4, wanted);
    write(rig, Kind.WRMSR_EFER, efer);
    write(rig, Kind.MOV_CR3, next.root(random.nextInt(2)));
    write(rig, Kind.MOV_CR0, Cr0.PE | Cr0.PG | (random.nextBoolean() ? Cr0.WP : 0));
    if (isLong && random.nextBoolean()) {
      write(rig, Kind.MOV_CR4, wanted | Cr4.PCIDE);
    }
  }
}
