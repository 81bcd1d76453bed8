// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Translation;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The real machine under a backend that intercepts everything and hands the guest's tables to the
 * hardware one page at a time: the shape of shadow paging, without its content.
 */
class InterceptingBackendTest {
  private final Machine machine =
      SmallGuest.machines()
          .create(
              MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40))
                  .withTlb(SmallGuest.machines().presets().get("tiny").geometry()));
  private final FakeBackend backend = new FakeBackend();
  private SmallGuest guest;

  @BeforeEach
  void bootAGuest() {
    backend.prepares = InterceptingBackendTest::intercept;
    guest =
        new SmallGuest(
            new MachineHypervisor(machine).createDomain(backend, Specs.row(1, SmallGuest.FRAMES)));
    guest.boot(0);
    intercept(guest.vcpu());
    backend.calls.clear();
  }

  /** The hardware runs with write protection, whatever the guest says. */
  private static void intercept(Vcpu vcpu) {
    vcpu.control().registers().set(vcpu.registers());
    vcpu.control().registers().cr0 |= Cr0.WP;
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
    vcpu.control().interceptInvalidation(true);
    vcpu.control().interceptPageFaults(0, 0);
  }

  @Test
  void bootingIsSeenStepByStep() {
    assertThat(guest.vcpu().exits(ExitReason.REGISTER_WRITE)).isEqualTo(5);
    Registers registers = guest.vcpu().registers();
    assertThat(registers.cr0).isEqualTo(Cr0.PE | Cr0.PG | Cr0.WP | Cr0.ET);
  }

  @Test
  void pageFaultsAreFixedOneByOneUntilTheBlockIsDone() {
    for (int i = SmallGuest.TABLES; i < SmallGuest.FRAMES; i++) {
      guest.domain.deviceStore(guest.entryOf(i), 8, guest.frame(i));
    }
    backend.pageFaults =
        vcpu -> {
          long at = vcpu.control().exitLinear();
          int number = SmallGuest.TABLES + (int) (at - SmallGuest.DATA >>> 12);
          guest.domain.deviceStore(guest.entryOf(number), 8, guest.frame(number) | 7);
          return Resolution.FIXED;
        };
    assertThat(guest.run(0, SmallGuest.stores(50))).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu().exits(ExitReason.PAGE_FAULT)).isEqualTo(12);
    assertThat(guest.domain.deviceLoad(guest.frame(15), 8)).isEqualTo(65);
  }

  @Test
  void aBackendThatOnlySaysFixedCannotHangTheHost() {
    guest.domain.deviceStore(guest.entryOf(9), 8, 0);
    assertThat(guest.run(0, SmallGuest.stores(50))).isEqualTo(RunResult.DEAD);
    assertThat(guest.domain.crashReason()).contains("page fault at 0x405000");
  }

  @Test
  void underAnotherWriteProtectTheGuestsOwnWalkGivesTheErrorCode() {
    OperationBlock block = new OperationBlock(2);
    block.control(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu().control().registers().cr0 & Cr0.WP).isNotZero();
    assertThat(guest.vcpu().registers().cr0 & Cr0.WP).isZero();
    guest.domain.deviceStore(guest.entryOf(9), 8, 0);
    backend.pageFaults =
        vcpu -> {
          vcpu.control().exit(14, 3, vcpu.control().exitLinear(), vcpu.control().exitFault());
          return Resolution.INJECT;
        };
    block.clear();
    block.probe(Access.WRITE, SmallGuest.linear(9));
    assertThat(guest.run(0, block)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu().faultErrorCode()).isEqualTo(2);
  }

  @Test
  void invalidationsReachTheHardwareThroughTheBackend() {
    OperationBlock block = SmallGuest.stores(1);
    guest.run(0, block);
    guest.domain.deviceStore(guest.entryOf(5), 8, guest.frame(6) | 7);
    block.clear();
    block.control(Kind.INVLPG, SmallGuest.linear(5));
    block.probe(Access.WRITE, SmallGuest.linear(5));
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(block.reached()[1]).isEqualTo(0x6000);
    assertThat(guest.vcpu().exits(ExitReason.INVLPG)).isEqualTo(1);
  }

  @Test
  void theSameGuestRunsOnUnderNativePaging() {
    guest.run(0, SmallGuest.stores(1));
    ((GuestDomain) guest.domain).attach(new NativeBackend());
    long exits = guest.vcpu().exits(ExitReason.REGISTER_WRITE);
    OperationBlock block = SmallGuest.stores(2);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    block.clear();
    block.control(Kind.MOV_CR3, guest.frame(0));
    block.control(Kind.INVLPG, SmallGuest.linear(5));
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu().exits(ExitReason.REGISTER_WRITE)).isEqualTo(exits);
    assertThat(guest.domain.backend()).isEqualTo("native");
    assertThat(guest.domain.deviceLoad(guest.entryOf(5), 8) & PageEntry.D).isNotZero();
  }

  private void expectExits(long expected, Kind kind, long operand) {
    long before = guest.vcpu().exits(ExitReason.REGISTER_WRITE);
    OperationBlock block = new OperationBlock(1);
    block.control(kind, operand);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu().exits(ExitReason.REGISTER_WRITE) - before).isEqualTo(expected);
  }

  /** What the guest believes decides whether a MOV exits, and what the backend wants stays. */
  @Test
  void aGuestThatTogglesWriteProtectIsSeenEachTimeAndTheHardwareKeepsIt() {
    guest.vcpu().control().interceptRegisters(Cr0.WP, false, 0, false, false);
    backend.prepares = vcpu -> {};
    Registers hardware = guest.vcpu().control().registers();
    long paged = Cr0.PE | Cr0.PG | Cr0.ET;
    for (int i = 0; i < 2; i++) {
      expectExits(1, Kind.MOV_CR0, paged);
      expectExits(0, Kind.MOV_CR0, paged | Cr0.TS);
      assertThat(guest.vcpu().registers().cr0).isEqualTo(paged | Cr0.TS);
      assertThat(hardware.cr0).isEqualTo(paged | Cr0.TS | Cr0.WP);
      expectExits(1, Kind.MOV_CR0, paged | Cr0.WP);
      expectExits(0, Kind.MOV_CR0, paged | Cr0.WP);
      assertThat(guest.vcpu().registers().cr0).isEqualTo(paged | Cr0.WP);
    }
  }

  @Test
  void aPartOfCr4CanBeWatchedInTheSameWay() {
    guest.vcpu().control().interceptRegisters(0, false, Cr4.PGE, false, false);
    backend.prepares = vcpu -> {};
    guest.vcpu().control().registers().cr4 &= ~Cr4.PGE;
    expectExits(0, Kind.MOV_CR4, Cr4.PAE | Cr4.PGE | Cr4.SMEP);
    assertThat(guest.vcpu().registers().cr4).isEqualTo(Cr4.PAE | Cr4.PGE | Cr4.SMEP);
    assertThat(guest.vcpu().control().registers().cr4).isEqualTo(Cr4.PAE | Cr4.SMEP);
    expectExits(1, Kind.MOV_CR4, Cr4.PAE);
  }

  @Test
  void restoringARegisterExitsIfAnythingOfItIsWatched() {
    Registers now = guest.vcpu().registers();
    guest.vcpu().control().interceptRegisters(0, false, 0, false, false);
    backend.prepares = vcpu -> {};
    expectRestores(now, 0, 0, 0, 0, 0);
    guest.vcpu().control().interceptRegisters(Cr0.WP, false, 0, false, false);
    expectRestores(now, 1, 0, 0, 0, 0);
    guest.vcpu().control().interceptRegisters(Cr0.PG, false, 0, false, false);
    expectRestores(now, 1, 0, 0, 1, 0);
    guest.vcpu().control().interceptRegisters(0, true, 0, false, false);
    expectRestores(now, 0, 1, 0, 0, 0);
    guest.vcpu().control().interceptRegisters(0, false, Cr4.PGE, false, false);
    expectRestores(now, 0, 0, 1, 0, 0);
    guest.vcpu().control().interceptRegisters(0, false, 0, true, false);
    expectRestores(now, 0, 0, 0, 1, 0);
    guest.vcpu().control().interceptRegisters(0, false, 0, false, true);
    expectRestores(now, 0, 0, 0, 0, 1);
  }

  private void expectRestores(Registers now, int cr0, int cr3, int cr4, int efer, int pkru) {
    expectExits(cr0, Kind.LOAD_CR0, now.cr0);
    expectExits(cr3, Kind.LOAD_CR3, now.cr3);
    expectExits(cr3, Kind.LOAD_PDPTE, now.pdptes[0]);
    expectExits(cr4, Kind.LOAD_CR4, now.cr4);
    expectExits(efer, Kind.LOAD_EFER, now.efer);
    expectExits(pkru, Kind.LOAD_PKRU, now.pkru);
  }

  @Test
  void theTablesOfAGuestWithFramesOfItsOwnAreWalkedThroughThem() {
    MachineHypervisor hypervisor = new MachineHypervisor(machine);
    hypervisor.createDomain(backend, Specs.row(1, SmallGuest.FRAMES));
    SmallGuest second =
        new SmallGuest(hypervisor.createDomain(backend, Specs.row(1, SmallGuest.FRAMES)));
    assertThat(second.domain.isIdentity()).isFalse();
    second.vcpu().registers().set(guest.vcpu().registers());
    long found = second.vcpu().translate(SmallGuest.linear(9), Access.WRITE, null);
    assertThat(Translation.frame(found)).as("guest-physical").isEqualTo(0x9000);
    second.domain.deviceStore(second.frame(2) + 8 * (SmallGuest.DATA >>> 21), 8, 0x100_0000 | 7);
    long lost = second.vcpu().translate(SmallGuest.linear(9), Access.WRITE, null);
    assertThat(Translation.rule(lost)).isEqualTo(FaultRule.TABLE_NOT_MEMORY);
  }
}
