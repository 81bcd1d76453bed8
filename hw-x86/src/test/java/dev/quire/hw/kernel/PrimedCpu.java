// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Array;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.hw.TlbGeometry.Tlb;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Translation;
import dev.quire.hw.reference.Shape;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * A CPU whose caches are full of translations: of two guests (tags 1 and 2), under PCIDs 1 and 2
 * each, small and large, global and not, for data and for fetches. Guest 1 under PCID 1 is current.
 */
final class PrimedCpu {
  static final long SMALL = 0x00007f0000001000L;
  static final long NEIGHBOUR = 0x00007f0000002000L;
  static final long GLOBAL = 0xffff800000001000L;
  static final long LARGE = 0x00007f0040200000L;
  static final long HUGE = 0x00007e0040000000L;
  static final long[] PAGES = {SMALL, NEIGHBOUR, GLOBAL, LARGE, HUGE};

  static final int PCID = 1;
  static final int OTHER_PCID = 2;

  /** A place for each size, and no eviction. */
  static final TlbGeometry WHOLE =
      geometry(
          List.of(tlb(1, 32, 1), tlb(1, 16, 2), tlb(1, 16, 4)),
          List.of(tlb(16, 16, 3), tlb(1, 16, 4)));

  /** Small pages only: large ones are kept in pieces. */
  static final TlbGeometry PIECES = geometry(List.of(tlb(1, 64, 1)), List.of(tlb(16, 16, 1)));

  /** The second level keeps 1 GiB pages in pieces of 2 MiB. */
  static final TlbGeometry BIG_PIECES =
      geometry(List.of(tlb(1, 32, 1), tlb(1, 32, 6)), List.of(tlb(16, 16, 1), tlb(1, 16, 2)));

  final TestCpu cpu;
  final Tables tables;
  final ControlBlock guest = guest(1);
  private final ControlBlock otherGuest = guest(2);
  private final OperationBlock block = new OperationBlock(64);

  PrimedCpu(TlbGeometry geometry) {
    this(geometry, Cr4.PCIDE);
  }

  /**
   * A primed CPU.
   *
   * @param cr4 bits besides PAE and PGE; without PCIDE there is one PCID, 0
   */
  PrimedCpu(TlbGeometry geometry, long cr4) {
    CpuProfile profile = CpuProfile.full(Vendor.INTEL, 40);
    cpu = new TestCpu(MachineSpec.bare(profile).withTlb(geometry));
    tables = new Tables(cpu.memory, Shape.FOUR_LEVEL, 0x10000);
    tables.map(SMALL, 1, 0x100000, Tables.PLAIN);
    tables.map(NEIGHBOUR, 1, 0x101000, Tables.PLAIN);
    tables.map(GLOBAL, 1, 0x102000, Tables.PLAIN | Tables.G);
    tables.map(LARGE, 2, 0x200000, Tables.PLAIN);
    tables.map(HUGE, 3, 0x40000000, Tables.PLAIN);
    boolean pcids = (cr4 & Cr4.PCIDE) != 0;
    for (ControlBlock each : List.of(otherGuest, guest)) {
      each.registers().cr4 |= cr4;
      for (int pcid : pcids ? new int[] {OTHER_PCID, PCID} : new int[] {0}) {
        each.registers().cr3 = tables.root() | pcid;
        prime(each);
      }
    }
  }

  private static TlbGeometry geometry(List<Tlb> first, List<Tlb> second) {
    Array structures = new Array(1, 16);
    return new TlbGeometry(
        first,
        first,
        second,
        List.of(structures, structures, structures, structures),
        Replacement.LRU);
  }

  private static Tlb tlb(int sets, int ways, int sizes) {
    return new Tlb(new Array(sets, ways), sizes);
  }

  private static ControlBlock guest(int tag) {
    ControlBlock control = new ControlBlock();
    control.tag(tag);
    control.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    control.registers().cr4 = Cr4.PAE | Cr4.PGE;
    control.registers().efer = Efer.LME | Efer.LMA;
    return control;
  }

  private void prime(ControlBlock control) {
    run(
        control,
        b -> {
          for (long page : PAGES) {
            b.probe(Access.of(0, true, false), page);
            b.probe(Access.of(Access.FETCH, true, false), page);
          }
        });
  }

  private void run(ControlBlock control, Consumer<OperationBlock> operations) {
    block.clear();
    operations.accept(block);
    assertThat(cpu.cpu.enter(control, block, Integer.MAX_VALUE)).isEqualTo(ExitReason.DONE);
  }

  /** Runs operations of guest 1. */
  void run(Consumer<OperationBlock> operations) {
    run(guest, operations);
  }

  /** Where a read of guest 1 arrives. */
  long reached(long linear) {
    run(b -> b.probe(Access.of(0, true, false), linear));
    return block.reached()[0];
  }

  LiveEntries live() {
    return LiveEntries.of(cpu);
  }

  /** Does something and expects exactly these entries to be gone, and to have been there. */
  void forgets(
      Runnable invalidation,
      Predicate<LiveEntries.Translated> translations,
      Predicate<LiveEntries.Structure> structures) {
    LiveEntries before = live();
    assertThat(before.tlb()).as("something to forget").anyMatch(translations);
    invalidation.run();
    assertThat(live().tlb()).isEqualTo(without(before.tlb(), translations));
    assertThat(live().structures()).isEqualTo(without(before.structures(), structures));
  }

  /** Does something and expects every entry to stay. */
  void keeps(Runnable action) {
    LiveEntries before = live();
    assertThat(before.tlb()).hasSizeGreaterThan(12);
    assertThat(before.structures()).hasSizeGreaterThan(2);
    action.run();
    assertThat(live()).isEqualTo(before);
  }

  private static <E> Set<E> without(Set<E> all, Predicate<E> gone) {
    return all.stream().filter(gone.negate()).collect(Collectors.toSet());
  }

  static boolean isGlobal(LiveEntries.Translated entry) {
    return (entry.translation() & Translation.GLOBAL) != 0;
  }
}
