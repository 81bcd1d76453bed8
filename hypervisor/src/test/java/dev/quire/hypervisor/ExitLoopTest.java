// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.anyBoolean;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.ArgumentMatchers.eq;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.verifyNoInteractions;
import static org.mockito.Mockito.when;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ExitLoopTest {
  private static final long VA = Addresses.gva(0x7000);

  private final FakeMachine machine = FakeMachine.ofFrames(1, 64);
  private final ScriptedCpu cpu = machine.cpu(0);
  private final FakeBackend backend = new FakeBackend();
  private final GuestVcpu vcpu =
      (GuestVcpu) new MachineHypervisor(machine).createDomain(backend, Specs.row(1, 8)).vcpu(0);
  private final OperationBlock block = new OperationBlock(2000);

  @BeforeEach
  void fillTheBlock() {
    backend.calls.clear();
    for (int i = 0; i < 2000; i++) {
      block.probe(Access.WRITE, VA);
    }
  }

  private static ScriptedCpu.Step pageFault(int at, int errorCode) {
    return (control, block) -> {
      block.next(at);
      long fault = Translation.fault(FaultRule.NOT_PRESENT, 1, errorCode);
      control.exit(Vector.PF, errorCode, VA, fault);
      return ExitReason.PAGE_FAULT;
    };
  }

  @Test
  void aBlockThatTheHardwareFinishesIsDone() {
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
    for (ExitReason reason : ExitReason.values()) {
      assertThat(vcpu.exits(reason)).isZero();
    }
  }

  @Test
  void aFaultThatNobodyInterceptsIsTheGuestsAndNoExit() {
    long fault = Translation.fault(FaultRule.READ_ONLY, 1, 7);
    cpu.then(
        (control, ops) -> {
          control.exit(Vector.PF, 7, VA, fault);
          return ExitReason.FAULT;
        });
    assertThat(vcpu.run(block)).isEqualTo(RunResult.FAULT);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.PF);
    assertThat(vcpu.faultErrorCode()).isEqualTo(7);
    assertThat(vcpu.faultLinear()).isEqualTo(VA);
    assertThat(vcpu.fault()).isEqualTo(fault);
    assertThat(vcpu.registers().cr2).isEqualTo(VA);
    assertThat(vcpu.exits(ExitReason.FAULT)).isZero();
    assertThat(backend.calls).isEmpty();
  }

  @Test
  void theLastFaultStandsWhateverExitsLater() {
    cpu.then(
            (control, ops) -> {
              control.exit(Vector.GP, 0, 0, 0);
              return ExitReason.FAULT;
            })
        .then(pageFault(3, 2));
    vcpu.registers().cr2 = 1;
    vcpu.control().registers().cr2 = 1;
    vcpu.run(block);
    vcpu.run(block);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.GP);
    assertThat(vcpu.registers().cr2).isEqualTo(1);
  }

  @Test
  void beingPreemptedIsASafePointAndNothingElse() {
    cpu.exits(ExitReason.PREEMPTED, 3);
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
    assertThat(cpu.tags).hasSize(2);
    assertThat(vcpu.exits(ExitReason.PREEMPTED)).isZero();
  }

  @Test
  void aPreemptedVcpuOfACrashedDomainRunsNoFurther() {
    cpu.then(
        (control, ops) -> {
          vcpu.domain().crash("another vCPU did it");
          return ExitReason.PREEMPTED;
        });
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DEAD);
    assertThat(cpu.tags).hasSize(1);
  }

  @Test
  void anOperationWhoseCauseIsGoneIsRunAgain() {
    cpu.then(pageFault(3, 2));
    cpu.then(
        (control, ops) -> {
          assertThat(ops.next()).isEqualTo(3);
          return ExitReason.DONE;
        });
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
    assertThat(backend.calls).containsExactly("pageFault");
    assertThat(vcpu.exits(ExitReason.PAGE_FAULT)).isEqualTo(1);
  }

  @Test
  void anOperationThatHasBeenDoneIsPassed() {
    backend.pageFaults = ofVcpu -> Resolution.EMULATED;
    cpu.then(pageFault(3, 2));
    cpu.then(
        (control, ops) -> {
          assertThat(ops.next()).isEqualTo(4);
          return ExitReason.DONE;
        });
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
  }

  @Test
  void aFaultThatIsTheGuestsOwnIsDelivered() {
    backend.pageFaults = ofVcpu -> Resolution.INJECT;
    cpu.then(pageFault(3, 2));
    assertThat(vcpu.run(block)).isEqualTo(RunResult.FAULT);
    assertThat(block.next()).isEqualTo(3);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.PF);
    assertThat(vcpu.faultErrorCode()).isEqualTo(2);
    assertThat(vcpu.registers().cr2).isEqualTo(VA);
    assertThat(vcpu.control().registers().cr2).isEqualTo(VA);
    verifyNoInteractions(machine.walker());
  }

  @Test
  void underAnotherWriteProtectTheGuestGetsItsOwnErrorCode() {
    long own = Translation.fault(FaultRule.NOT_PRESENT, 2, ErrorCode.W);
    when(machine.walker().walk(any(), anyLong(), anyLong(), any(), anyBoolean(), any()))
        .thenReturn(own);
    backend.pageFaults = ofVcpu -> Resolution.INJECT;
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
    vcpu.registers().cr0 = Cr0.PE | Cr0.PG;
    vcpu.control().registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    cpu.then(pageFault(3, ErrorCode.W | ErrorCode.P));
    vcpu.run(block);
    assertThat(vcpu.faultErrorCode()).isEqualTo(ErrorCode.W);
    assertThat(vcpu.fault()).isEqualTo(own);
    verify(machine.walker()).walk(any(), eq(VA), eq(Access.WRITE), any(), eq(false), eq(null));
  }

  private void hardwareProtectsWrites(boolean guestToo) {
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
    vcpu.registers().cr0 = Cr0.PE | Cr0.PG | (guestToo ? Cr0.WP : 0);
    vcpu.control().registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
  }

  @Test
  void aFaultThatOnlyTheHardwareHasIsDeliveredAsItIsAndACompareAndExchangeIsAWrite() {
    when(machine.walker().walk(any(), anyLong(), anyLong(), any(), anyBoolean(), any()))
        .thenReturn(0x1000 | Translation.PRESENT);
    backend.pageFaults = ofVcpu -> Resolution.INJECT;
    hardwareProtectsWrites(false);
    block.clear();
    block.compareExchange(true, false, VA, 8, 0, 1);
    cpu.then(pageFault(0, 7));
    vcpu.run(block);
    assertThat(vcpu.faultErrorCode()).isEqualTo(7);
    long access = Access.of(Access.WRITE, true, false);
    verify(machine.walker()).walk(any(), eq(VA), eq(access), any(), eq(false), eq(null));
  }

  @Test
  void theGuestsTablesAreNotWalkedWhereTheHardwaresWordIsGoodEnough() {
    backend.pageFaults = ofVcpu -> Resolution.INJECT;
    hardwareProtectsWrites(true);
    cpu.then(pageFault(3, 7));
    vcpu.run(block);
    assertThat(vcpu.faultErrorCode()).isEqualTo(7);
    backend.pageFaults = ofVcpu -> Resolution.FIXED;
    hardwareProtectsWrites(false);
    cpu.then(pageFault(3, 7));
    vcpu.run(block);
    verifyNoInteractions(machine.walker());
  }

  @Test
  void whatCannotBeHandledCrashesTheDomain() {
    backend.pageFaults = ofVcpu -> Resolution.CRASH;
    cpu.then(pageFault(3, 2));
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DEAD);
    assertThat(vcpu.domain().crashReason())
        .isEqualTo("vCPU 0 of domain 0, backend fake: page fault at 0x7000 cannot be handled");
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DEAD);
    assertThat(cpu.tags).hasSize(1);
  }

  @Test
  void aBackendThatFixesForEverCrashesTheDomainAndNotTheHost() {
    cpu.always(pageFault(3, 2));
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DEAD);
    assertThat(vcpu.domain().crashReason()).contains("page fault at 0x7000 was fixed 1000 times");
    assertThat(vcpu.exits(ExitReason.PAGE_FAULT)).isEqualTo(ExitLoop.RETRIES + 1);
  }

  @Test
  void anyNumberOfFixesIsFineWhileOperationsGetDone() {
    for (int at = 0; at < 2000; at++) {
      cpu.then(pageFault(at, 2)).then(pageFault(at, 2));
    }
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
    assertThat(vcpu.exits(ExitReason.PAGE_FAULT)).isEqualTo(4000);
  }

  @Test
  void aFixAfterManyEmulationsIsNoEndlessLoop() {
    backend.pageFaults = ofVcpu -> block.next() < 1999 ? Resolution.EMULATED : Resolution.FIXED;
    for (int at = 0; at < 2000; at++) {
      cpu.then(pageFault(at, 2));
    }
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
  }

  @Test
  void aHypercallOfAGuestWithoutAnInterfaceIsAnInvalidOpcode() {
    block.clear();
    block.control(Kind.HYPERCALL, 0);
    cpu.exits(ExitReason.HYPERCALL, 0);
    assertThat(vcpu.run(block)).isEqualTo(RunResult.FAULT);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.UD);
    assertThat(vcpu.exits(ExitReason.HYPERCALL)).isEqualTo(1);
  }

  @Test
  void everyReasonIsEitherARowOrNoExit() {
    for (ExitReason reason : ExitReason.values()) {
      switch (reason) {
        case DONE, FAULT, PREEMPTED ->
            assertThatThrownBy(() -> ExitRow.of(reason)).hasMessageContaining(reason.name());
        default -> assertThat(ExitRow.of(reason).name()).isEqualTo(reason.name());
      }
    }
  }
}
