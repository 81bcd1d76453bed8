// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Memory;
import dev.quire.hw.reference.Page;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.Walk;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One address of one CPU, two entries of whose walk are set as a case wants them. */
final class AccessMatrix {
  /** All kinds of access: data read, data write, fetch; by whom. */
  static final List<Long> ACCESSES = accesses();

  private static final long LINEAR = 0x12345678;

  private final CpuProfile profile;
  private final Shape shape;
  private final TestCpu cpu;
  private final ControlBlock control = new ControlBlock();
  private final OperationBlock block = new OperationBlock(1);
  private final long upperAt;
  private final long lowerAt;
  private final Tables tables;
  private final Memory memory;
  private MatrixEntries.Pair pair = new MatrixEntries.Pair(0, 0);

  /**
   * A CPU.
   *
   * @param upperLevel the level of the first of the two entries
   */
  AccessMatrix(CpuProfile profile, Shape shape, int upperLevel, @Nullable TlbGeometry geometry) {
    this.profile = profile;
    this.shape = shape;
    cpu = new TestCpu(MachineSpec.bare(profile).withTlb(geometry));
    memory = cpu.memory::load;
    tables = new Tables(cpu.memory, shape, 0x10000);
    tables.map(LINEAR, 1, 0x100000, Tables.PLAIN);
    upperAt = tables.entryAddress(LINEAR, upperLevel);
    lowerAt = tables.entryAddress(LINEAR, upperLevel - 1);
    Registers registers = control.registers();
    registers.cr3 = tables.root();
    if (shape.levels() == 3) {
      registers.pdptes[0] = cpu.memory.load(tables.root(), 8);
    }
  }

  private static List<Long> accesses() {
    List<Long> accesses = new ArrayList<>();
    for (long kind : new long[] {0, Access.WRITE, Access.FETCH}) {
      accesses.add(Access.of(kind, true, false));
      accesses.add(Access.of(kind, false, false));
      accesses.add(Access.of(kind, false, true));
    }
    return accesses;
  }

  List<MatrixEntries.Pair> pairs(int upperLevel) {
    long lowerTable = lowerAt & -4096;
    long lastTable = upperLevel > 2 ? tables.entryAddress(LINEAR, upperLevel - 2) & -4096 : 0;
    return new MatrixEntries(shape).pairs(upperLevel, lowerTable, lastTable);
  }

  /** Puts the CPU into a state of those that rights depend on. */
  void state(boolean protect, boolean noExecute, long cr4, int pkru, int pkrs) {
    Registers registers = control.registers();
    registers.cr0 = Cr0.PE | Cr0.PG | (protect ? Cr0.WP : 0);
    boolean isLong = shape.isLong();
    registers.cr4 = cr4 | (shape.levels() > 2 ? Cr4.PAE : 0) | (shape.levels() == 5 ? Cr4.LA57 : 0);
    registers.efer = (isLong ? Efer.LME | Efer.LMA : 0) | (noExecute ? Efer.NXE : 0);
    registers.pkru = pkru;
    registers.pkrs = pkrs;
  }

  /** Writes the entries of a case and forgets what was cached. */
  void prepare(MatrixEntries.Pair entries) {
    pair = entries;
    cpu.cpu.flush();
    cpu.memory.store(upperAt, shape.entryBytes(), entries.upper());
    cpu.memory.store(lowerAt, shape.entryBytes(), entries.lower());
  }

  /** Makes one access, and expects what the manuals say of it. */
  void check(long access) {
    Registers registers = control.registers();
    Demand demand = Demand.of(access, LINEAR);
    Walk walk = Walk.fromRoot(profile, registers, shape, memory, demand);
    long upper = after(walk, upperAt, demand);
    long lower = after(walk, lowerAt, demand);
    block.clear();
    block.probe(access, LINEAR);
    ExitReason exit = cpu.cpu.enter(control, block, 1);
    boolean same =
        walk.succeeds()
            ? exit == ExitReason.DONE && block.reached()[0] == page(walk).address(LINEAR)
            : exit == ExitReason.FAULT && control.exitErrorCode() == walk.errorCode();
    boolean sameEntries =
        cpu.memory.load(upperAt, shape.entryBytes()) == upper
            && cpu.memory.load(lowerAt, shape.entryBytes()) == lower;
    if (!same || !sameEntries) {
      explain(access, walk, exit, upper, lower);
    }
  }

  private static Page page(Walk walk) {
    return Objects.requireNonNull(walk.page());
  }

  /** What an entry holds after the access. */
  private long after(Walk walk, long address, Demand demand) {
    long entry = cpu.memory.load(address, shape.entryBytes());
    for (Walk.Step step : walk.steps()) {
      if (step.address() == address && walk.succeeds()) {
        boolean dirty = step.below() == null && demand.write();
        return entry | 32 | (dirty ? 64 : 0);
      }
    }
    return entry;
  }

  private void explain(long access, Walk walk, ExitReason exit, long upper, long lower) {
    Registers registers = control.registers();
    String where =
        String.format(
            "%s, %s of entries %x, %x with CR0 %x CR4 %x EFER %x PKRU %x PKRS %x",
            shape,
            Access.describe(access),
            pair.upper(),
            pair.lower(),
            registers.cr0,
            registers.cr4,
            registers.efer,
            registers.pkru,
            registers.pkrs);
    int code = exit == ExitReason.DONE ? -1 : control.exitErrorCode();
    assertThat(code).as("error code: %s", where).isEqualTo(walk.errorCode());
    assertThat(cpu.memory.load(upperAt, shape.entryBytes())).as(where).isEqualTo(upper);
    assertThat(cpu.memory.load(lowerAt, shape.entryBytes())).as(where).isEqualTo(lower);
    assertThat(block.reached()[0]).as(where).isEqualTo(page(walk).address(LINEAR));
    throw new AssertionError(where);
  }
}
