// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyBoolean;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.ArgumentMatchers.eq;
import static org.mockito.ArgumentMatchers.same;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingBackend.Feature;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.PagingFormat;
import dev.quire.api.x86.Translation;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.mockito.ArgumentCaptor;

class GuestVcpuTest {
  private final FakeMachine machine = FakeMachine.ofFrames(1, 64);
  private final FakeBackend backend = new FakeBackend();
  private GuestVcpu vcpu;

  @BeforeEach
  void makeAVcpu() {
    MachineHypervisor hypervisor = new MachineHypervisor(machine);
    hypervisor.createDomain(backend, Specs.row(1, 8));
    vcpu = (GuestVcpu) hypervisor.createDomain(backend, Specs.row(1, 8)).vcpu(0);
  }

  /** A run in which the hardware leaves all ones in every register. */
  private Registers afterTheHardwareWroteOnes() {
    machine
        .cpu(0)
        .then(
            (control, block) -> {
              Registers hardware = control.registers();
              hardware.cr0 = hardware.cr2 = hardware.cr3 = hardware.cr4 = hardware.efer = -1;
              hardware.pkru = hardware.pkrs = -1;
              java.util.Arrays.fill(hardware.pdptes, -1);
              return ExitReason.DONE;
            });
    Registers guest = vcpu.registers();
    guest.cr0 = 0;
    vcpu.run(new OperationBlock(1));
    return guest;
  }

  @Test
  void whatTheGuestWroteWithoutAnExitIsTakenOver() {
    Registers guest = afterTheHardwareWroteOnes();
    assertThat(guest).usingRecursiveComparison().isEqualTo(vcpu.control().registers());
    assertThat(guest.cr0 & guest.cr2 & guest.cr3 & guest.cr4 & guest.efer).isEqualTo(-1);
  }

  @Test
  void whatExitsIsNotTheHardwaresToSay() {
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
    Registers guest = afterTheHardwareWroteOnes();
    Registers untouched = new Registers();
    untouched.cr0 = 0;
    untouched.cr2 = -1;
    assertThat(guest).usingRecursiveComparison().isEqualTo(untouched);
  }

  @Test
  void bitByBitOnlyWhatExitsStaysTheHypervisors() {
    vcpu.control().interceptRegisters(Cr0.WP, false, Cr4.PGE, false, false);
    Registers guest = afterTheHardwareWroteOnes();
    assertThat(guest.cr0).isEqualTo(~Cr0.WP);
    assertThat(guest.cr4).isEqualTo(~Cr4.PGE);
    assertThat(guest.efer).isEqualTo(-1);
  }

  @Test
  void lmaFollowsPgWhoeverWatchesEfer() {
    vcpu.control().interceptRegisters(0, false, 0, true, false);
    assertThat(afterTheHardwareWroteOnes().efer).isEqualTo(Efer.LMA);
    vcpu.registers().efer = 0;
    vcpu.control().interceptRegisters(Cr0.PG, false, 0, false, false);
    assertThat(afterTheHardwareWroteOnes().efer).isEqualTo(~Efer.LMA);
  }

  @Test
  void whatTheHypervisorWroteGoesToTheHardwareUnlessItIsTheBackends() {
    Registers guest = vcpu.registers();
    guest.cr0 = guest.cr3 = guest.cr4 = guest.efer = -1;
    guest.pkru = -1;
    vcpu.control().registers().cr0 = 0;
    vcpu.control().interceptRegisters(Cr0.PG, true, 0, false, true);
    vcpu.giveToHardware();
    Registers hardware = vcpu.control().registers();
    assertThat(hardware.cr0).isEqualTo(~Cr0.PG);
    assertThat(hardware.cr3).isZero();
    assertThat(hardware.cr4).isEqualTo(-1);
    assertThat(hardware.efer).isEqualTo(~Efer.LMA);
    assertThat(hardware.pkru).isZero();
  }

  @Test
  void withPagingOffALinearAddressIsThePhysicalOneInThirtyTwoBits() {
    long result = vcpu.translate(0xf_1234_5678L, Access.WRITE, null);
    assertThat(Translation.isFault(result)).isFalse();
    assertThat(Translation.address(result, 0x12345678L, 12)).isEqualTo(0x12345678L);
    assertThat(Translation.level(result)).isEqualTo(1);
  }

  private void walksAnswer(long result) {
    when(machine.walker().walk(any(), anyLong(), anyLong(), any(), anyBoolean(), any()))
        .thenReturn(result);
  }

  private void enterLongMode(GuestVcpu which, long root) {
    which.registers().cr0 = Cr0.PE | Cr0.PG;
    which.registers().cr4 = Cr4.PAE;
    which.registers().efer = Efer.LME | Efer.LMA;
    which.registers().cr3 = root;
  }

  @Test
  void theGuestsTablesAreWalkedWithTheGuestsRegistersThroughItsFramesChangingNothing() {
    walksAnswer(0x5000 | Translation.PRESENT);
    enterLongMode(vcpu, 0x3000);
    vcpu.control().registers().cr3 = 0x7000;
    WalkTrace trace = new WalkTrace();
    assertThat(vcpu.translate(0x1234, Access.FETCH, trace)).isEqualTo(0x5000 | Translation.PRESENT);
    ArgumentCaptor<PagingContext> context = ArgumentCaptor.forClass(PagingContext.class);
    verify(machine.walker())
        .walk(
            context.capture(),
            eq(0x1234L),
            eq(Access.FETCH),
            same(vcpu.domain().memory()),
            eq(PageWalker.LOOK_ONLY),
            same(trace));
    assertThat(context.getValue().root()).isEqualTo(0x3000);
    assertThat(context.getValue().rules().format()).isSameAs(PagingFormat.FOUR_LEVEL);
  }

  @Test
  void tablesThatHoldMachineAddressesAreWalkedAsTheyAre() {
    backend.features.add(Feature.IDENTITY);
    GuestVcpu identity =
        (GuestVcpu) new MachineHypervisor(machine).createDomain(backend, Specs.row(1, 8)).vcpu(0);
    enterLongMode(identity, 0);
    identity.translate(0, 0, null);
    verify(machine.walker()).walk(any(), eq(0L), eq(0L), eq(null), eq(false), eq(null));
  }

  @Test
  void aKernelThatRunsInUserModeIsJudgedAsAUser() {
    enterLongMode(vcpu, 0);
    vcpu.control().kernelIsUser(true);
    vcpu.translate(0, Access.WRITE, null);
    long access = Access.WRITE | Access.USER | Access.SMAP_EXEMPT;
    verify(machine.walker()).walk(any(), eq(0L), eq(access), any(), eq(false), eq(null));
  }
}
