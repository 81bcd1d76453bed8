// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.hw.reference.Shape;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Invalidations that only exist outside long mode: changes of the format, 4 MiB pages. */
class LegacyInvalidationTest {
  private static final long SMALL = 0x12345000;
  private static final long LARGE = 0x80400000L;

  private final TestCpu cpu =
      new TestCpu(MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withTlb(PrimedCpu.WHOLE));
  private final Tables tables = new Tables(cpu.memory, Shape.TWO_LEVEL, 0x10000);
  private final ControlBlock guest = new ControlBlock();
  private final OperationBlock block = new OperationBlock(8);

  LegacyInvalidationTest() {
    tables.map(SMALL, 1, 0x100000, Tables.PLAIN | Tables.G);
    tables.map(LARGE, 2, 0x800000, Tables.PLAIN);
    guest.registers().cr0 = Cr0.PE | Cr0.PG;
    guest.registers().cr4 = Cr4.PSE | Cr4.PGE;
    guest.registers().cr3 = tables.root();
    prime();
  }

  private void prime() {
    run(
        b -> {
          b.probe(Access.of(0, true, false), SMALL);
          b.probe(Access.of(0, true, false), LARGE + 0x345678);
        });
    assertThat(live()).hasSize(4); // each in both levels
  }

  private void run(Consumer<OperationBlock> operations) {
    block.clear();
    operations.accept(block);
    assertThat(cpu.cpu.enter(guest, block, 8)).isEqualTo(ExitReason.DONE);
  }

  private Set<LiveEntries.Translated> live() {
    return LiveEntries.of(cpu).tlb();
  }

  @Test
  void changingPhysicalAddressExtensionForgetsEverything() {
    run(b -> b.control(Kind.MOV_CR4, Cr4.PSE | Cr4.PGE | Cr4.PAE));
    assertThat(live()).isEmpty();
    assertThat(LiveEntries.of(cpu).structures()).isEmpty();
  }

  @Test
  void changingPageSizeExtensionForgetsEverything() {
    run(b -> b.control(Kind.MOV_CR4, Cr4.PGE));
    assertThat(live()).isEmpty();
    assertThat(LiveEntries.of(cpu).structures()).isEmpty();
  }

  @Test
  void clearingAndSettingPagingForgetsEverything() {
    run(b -> b.control(Kind.MOV_CR0, Cr0.PE));
    assertThat(live()).isEmpty();
    run(b -> b.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG));
    prime();
  }

  @Test
  void invlpgForgetsAPageOf4M() {
    run(b -> b.control(Kind.INVLPG, LARGE + 0x200000));
    assertThat(live()).hasSize(2).allMatch(e -> e.linear() == SMALL);
  }

  @Test
  void addressesWrapAt4G() {
    run(b -> b.control(Kind.INVLPG, LARGE - (1L << 32)));
    assertThat(live()).hasSize(2).allMatch(e -> e.linear() == SMALL);
  }

  @Test
  void aProbeAbove4GWrapsToo() {
    run(b -> b.probe(Access.of(0, true, false), LARGE + (1L << 32) + 0x10));
    assertThat(block.reached()[0]).isEqualTo(0x800010L);
    assertThat(live()).hasSize(4);
  }

  @Test
  void movToCr3KeepsGlobalPagesOnly() {
    run(b -> b.control(Kind.MOV_CR3, tables.root()));
    assertThat(live()).hasSize(2).allMatch(e -> e.linear() == SMALL);
  }
}
