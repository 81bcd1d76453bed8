// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.TlbGeometry;
import dev.quire.api.hw.TlbGeometry.Replacement;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.hw.machine.X86MachineFactory;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Training changes how fast a machine is, and nothing else. */
class TrainingTest {
  private static final int PAGES = 300;

  private static final long NESTED_TABLES = 0x600000;
  private static final int NESTED_PAGES = 1024;

  @ParameterizedTest
  @EnumSource(Replacement.class)
  void aTrainedMachineCountsAsAnUntrainedOne(Replacement replacement) {
    compare(RandomGeometry.of(new SplittableRandom(11), replacement), NestedPaging.Format.NONE);
  }

  @ParameterizedTest
  @EnumSource(names = {"NPT", "EPT"})
  void aTrainedMachineCountsAsAnUntrainedOneUnderNestedPaging(NestedPaging.Format format) {
    compare(RandomGeometry.of(new SplittableRandom(12), Replacement.LRU), format);
  }

  @Test
  void aMachineWithoutCachesIsTrainedForWalksOnly() {
    compare(null, NestedPaging.Format.EPT);
  }

  private static void compare(@Nullable TlbGeometry geometry, NestedPaging.Format format) {
    Vendor vendor = format == NestedPaging.Format.NPT ? Vendor.AMD : Vendor.INTEL;
    MachineSpec spec = MachineSpec.bare(CpuProfile.full(vendor, 40)).withRam(RandomTables.RAM);
    spec = geometry == null ? spec : spec.withTlb(geometry);
    Machine untrained = new X86MachineFactory().create(spec);
    Machine trained = new X86MachineFactory().create(spec.withTraining(true));
    long[] expected = accesses(untrained, format);
    assertThat(accesses(trained, format)).isEqualTo(expected);
    assertThat(trained.cpu(0).counters().values()).isEqualTo(untrained.cpu(0).counters().values());
    assertThat(trained.memory().framesInUse()).isEqualTo(untrained.memory().framesInUse());
  }

  private static long[] accesses(Machine machine, NestedPaging.Format format) {
    for (int level = 1; level <= 3; level++) {
      machine.memory().store(Addresses.maddr(level * 0x1000L), 8, (level + 1) * 0x1000L | 7);
    }
    for (int page = 0; page < PAGES; page++) {
      machine.memory().store(Addresses.maddr(0x4000L + 8 * page), 8, (0x100L + page) << 12 | 7);
    }
    ControlBlock control = new ControlBlock();
    control.tag(1);
    Registers registers = control.registers();
    registers.cr0 = Cr0.PG | Cr0.PE | Cr0.WP | Cr0.ET;
    registers.cr4 = Cr4.PAE;
    registers.efer = Efer.LME | Efer.LMA | Efer.NXE;
    registers.cr3 = 0x1000;
    if (format != NestedPaging.Format.NONE) {
      mapNested(machine, format == NestedPaging.Format.EPT);
      control.nested().format = format;
      control.nested().root = Addresses.maddr(NESTED_TABLES);
    }
    OperationBlock block = new OperationBlock(20_000);
    SplittableRandom random = new SplittableRandom(5);
    while (!block.isFull()) {
      long kind = new long[] {0, Access.WRITE, Access.FETCH}[random.nextInt(3)];
      block.probe(Access.of(kind, true, false), Addresses.gva((long) random.nextInt(PAGES) << 12));
    }
    ExitReason reason = machine.cpu(0).enter(control, block, Integer.MAX_VALUE);
    assertThat(reason).isEqualTo(ExitReason.DONE);
    return block.reached();
  }

  /** Four levels of tables that map each frame to itself. */
  private static void mapNested(Machine machine, boolean ept) {
    long writeBack = ept ? 6 << 3 : 0;
    for (int level = 0; level < 3; level++) {
      long table = NESTED_TABLES + 0x1000L * level;
      machine.memory().store(Addresses.maddr(table), 8, table + 0x1000 | 7);
    }
    long leaves = NESTED_TABLES + 0x3000;
    machine.memory().store(Addresses.maddr(NESTED_TABLES + 0x2008), 8, leaves + 0x1000 | 7);
    for (long frame = 0; frame < NESTED_PAGES; frame++) {
      machine.memory().store(Addresses.maddr(leaves + 8 * frame), 8, frame << 12 | 7 | writeBack);
    }
  }
}
