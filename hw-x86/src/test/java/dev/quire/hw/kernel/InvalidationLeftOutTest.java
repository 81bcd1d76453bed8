// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static dev.quire.hw.kernel.PrimedCpu.OTHER_PCID;
import static dev.quire.hw.kernel.PrimedCpu.PCID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Invalidation;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.reference.Shape;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each invalidation without a second dimension, executed by a CPU that does it and by one whose
 * TLBs, or whose paging-structure caches, do not hear of it. The staleness oracle has nothing
 * against the first and objects to the others: so it can be relied on where programs are random.
 * {@link NestedStalenessTest} has those of two dimensions.
 */
class InvalidationLeftOutTest {
  private static final long PAGE = 0x12345000L;
  private static final long GLOBAL = 0x12346000L;
  private static final long LARGE = 0x40400000L;
  private static final long PCIDS = Cr4.PCIDE | Cr4.PGE;

  /**
   * An invalidation.
   *
   * @param shape of the tables in use
   * @param cr4 bits besides those that the shape takes
   * @param execution what a guest or its hypervisor does
   * @param parts kinds of caches that go on holding something if they do not hear of it
   */
  private record Row(
      String name, Shape shape, long cr4, Consumer<World> execution, Set<Hearing.Part> parts) {
    Row(String name, Shape shape, long cr4, Consumer<World> execution) {
      this(name, shape, cr4, execution, EnumSet.allOf(Hearing.Part.class));
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** A guest with full caches, and the oracle that looks at them after each operation. */
  private static final class World {
    private final Watched watched;
    private final Rig.Guest guest = new Rig.Guest();
    private final Tables tables;

    World(Row row, Hearing hearing) {
      MachineSpec spec =
          MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withTlb(PrimedCpu.WHOLE);
      SparseMemory memory = new SparseMemory(spec.ram());
      watched = new Watched(spec, new TestCpu(spec, memory, hearing));
      tables = new Tables(memory, row.shape, 0x10000);
      tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
      tables.map(GLOBAL, 1, 0x101000, Tables.PLAIN | Tables.G);
      tables.map(LARGE, 2, 0x800000, Tables.PLAIN);
      guest.ours.tag(1);
      Registers registers = registers();
      registers.cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
      registers.cr4 = (row.shape.levels() == 2 ? Cr4.PSE : Cr4.PAE) | row.cr4;
      registers.efer = row.shape.isLong() ? Efer.LME | Efer.LMA : 0;
      for (int i = 0; row.shape.levels() == 3 && i < Registers.PDPTES; i++) {
        registers.pdptes[i] = memory.load(tables.root() + 8 * i, 8);
      }
      boolean pcids = (row.cr4 & Cr4.PCIDE) != 0;
      for (int pcid : pcids ? new int[] {OTHER_PCID, PCID} : new int[] {0}) {
        registers.cr3 = tables.root() | pcid;
        use();
      }
    }

    Registers registers() {
      return guest.ours.registers();
    }

    void use() {
      watched.clear();
      for (long page : new long[] {PAGE, GLOBAL, LARGE}) {
        watched.add(b -> b.probe(Access.of(0, true, false), page));
        watched.add(b -> b.probe(Access.of(Access.FETCH, true, false), page));
      }
      watched.run(guest, Integer.MAX_VALUE);
    }

    void operate(Kind kind, long operand, long second) {
      watched.clear();
      watched.add(b -> b.control(kind, operand, second));
      watched.run(guest, Integer.MAX_VALUE);
    }

    void operate(Kind kind, long operand) {
      operate(kind, operand, 0);
    }

    void invpcid(int type, int pcid) {
      operate(Kind.INVPCID, PAGE, Invalidation.pack(type, pcid));
    }
  }

  private static Row pcids(String name, Consumer<World> execution) {
    return new Row(name, Shape.FOUR_LEVEL, PCIDS, execution);
  }

  private static Row without(String name, Shape shape, Consumer<World> execution) {
    return new Row(name, shape, Cr4.PGE, execution);
  }

  private static Row changingCr4(String name, Shape shape, long cr4, long bit) {
    return new Row(name, shape, cr4, w -> w.operate(Kind.MOV_CR4, w.registers().cr4 ^ bit));
  }

  /** Large pages get another size: TLBs forget by themselves then. */
  private static Row resizing(String name, Shape shape, long cr4) {
    Row row = changingCr4(name, shape, cr4, Cr4.PAE);
    return new Row(name, shape, cr4, row.execution, EnumSet.of(Hearing.Part.STRUCTURES));
  }

  static List<Row> invalidations() {
    Shape four = Shape.FOUR_LEVEL;
    return List.of(
        pcids("INVLPG", w -> w.operate(Kind.INVLPG, PAGE)),
        pcids("INVLPG of a global page", w -> w.operate(Kind.INVLPG, GLOBAL)),
        pcids("INVLPG of a large page", w -> w.operate(Kind.INVLPG, LARGE + 0x1000)),
        pcids("INVPCID, individual address", w -> w.invpcid(Invalidation.ADDRESS, PCID)),
        pcids("INVPCID, address of another PCID", w -> w.invpcid(Invalidation.ADDRESS, OTHER_PCID)),
        pcids("INVPCID, single context", w -> w.invpcid(Invalidation.CONTEXT, OTHER_PCID)),
        pcids("INVPCID, all contexts", w -> w.invpcid(Invalidation.ALL, 0)),
        pcids("INVPCID, all but global", w -> w.invpcid(Invalidation.ALL_NON_GLOBAL, 0)),
        pcids("MOV CR3", w -> w.operate(Kind.MOV_CR3, w.tables.root() | OTHER_PCID)),
        without("MOV CR3 without PCIDs", four, w -> w.operate(Kind.MOV_CR3, w.tables.root())),
        without("MOV CR3, PAE", Shape.PAE, w -> w.operate(Kind.MOV_CR3, w.tables.root())),
        without("MOV CR3, 2 levels", Shape.TWO_LEVEL, w -> w.operate(Kind.MOV_CR3, 0x10000)),
        without("clearing CR0.PG", four, w -> w.operate(Kind.MOV_CR0, Cr0.PE)),
        changingCr4("setting CR4.PGE", four, Cr4.PCIDE, Cr4.PGE),
        changingCr4("clearing CR4.PGE", four, PCIDS, Cr4.PGE),
        changingCr4("setting CR4.PSE", four, PCIDS, Cr4.PSE),
        changingCr4("clearing CR4.PSE", four, PCIDS | Cr4.PSE, Cr4.PSE),
        changingCr4("clearing CR4.PCIDE", four, PCIDS, Cr4.PCIDE),
        changingCr4("setting CR4.SMEP", four, PCIDS, Cr4.SMEP),
        resizing("setting CR4.PAE", Shape.TWO_LEVEL, Cr4.PGE),
        resizing("clearing CR4.PAE", Shape.PAE, Cr4.PGE | Cr4.PSE),
        pcids("setting EFER.NXE", w -> w.operate(Kind.WRMSR_EFER, w.registers().efer | Efer.NXE)),
        without("restoring CR0", four, w -> w.operate(Kind.LOAD_CR0, Cr0.PE)),
        pcids("restoring CR3", w -> w.operate(Kind.LOAD_CR3, w.tables.root() | OTHER_PCID)),
        pcids("restoring CR4", w -> w.operate(Kind.LOAD_CR4, w.registers().cr4 ^ Cr4.PGE)),
        pcids("restoring EFER", w -> w.operate(Kind.LOAD_EFER, w.registers().efer ^ Efer.NXE)),
        without("restoring a PDPTE", Shape.PAE, w -> w.operate(Kind.LOAD_PDPTE, 0x5001, 2)),
        pcids("the hypervisor's flush", w -> w.watched.flush()),
        pcids("its flush of a tag", w -> w.watched.flushTag(1)),
        pcids("its flush of an address", w -> w.watched.flushLinear(w.guest, PAGE)),
        pcids("its flush asked for by another CPU", InvalidationLeftOutTest::shootDown));
  }

  private static void shootDown(World world) {
    world.watched.requestFlush();
    world.use();
  }

  @ParameterizedTest
  @MethodSource("invalidations")
  void isEnough(Row row) {
    World world = new World(row, Hearing.ALL);
    assertThat(world.watched.checks()).as("entries seen").isGreaterThan(20);
    row.execution.accept(world); // ends in the oracle's look
  }

  @ParameterizedTest
  @MethodSource("invalidations")
  void leftOutIsSeenByTheOracle(Row row) {
    for (Hearing.Part part : row.parts) {
      Hearing hearing = Hearing.deafIn(part);
      World world = new World(row, hearing);
      hearing.lose();
      assertThatThrownBy(() -> row.execution.accept(world))
          .as("%s of deaf %s", row, part)
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining(part == Hearing.Part.TLBS ? "Translated[" : "Structure[");
    }
  }

  /** Of the kinds of operations no one that invalidates has been forgotten above. */
  @Test
  void everyKindIsTried() {
    Set<Kind> tried = EnumSet.noneOf(Kind.class);
    for (Row row : invalidations()) {
      World world = new World(row, Hearing.ALL);
      row.execution.accept(world);
      tried.add(Operation.kind(world.watched.block().operations()[0]));
    }
    tried.addAll(EnumSet.of(Kind.COMPARE_EXCHANGE, Kind.HYPERCALL)); // no invalidations
    tried.addAll(EnumSet.of(Kind.WRPKRU, Kind.WRMSR_PKRS, Kind.LOAD_PKRU)); // apply at each hit
    assertThat(tried).containsExactlyInAnyOrder(Kind.values());
  }
}
