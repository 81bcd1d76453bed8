// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr3;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Vector;
import org.junit.jupiter.api.Test;

class RegisterWriteExitTest {
  private final FakeMachine machine = FakeMachine.ofFrames(1, 64);
  private final FakeBackend backend = new FakeBackend();
  private final GuestVcpu vcpu = secondDomain();
  private final Registers guest = vcpu.registers();

  /** Its guest frame 0 is not the machine's. */
  private GuestVcpu secondDomain() {
    MachineHypervisor hypervisor = new MachineHypervisor(machine);
    hypervisor.createDomain(backend, Specs.row(1, 8));
    GuestVcpu made = (GuestVcpu) hypervisor.createDomain(backend, Specs.row(1, 8)).vcpu(0);
    backend.calls.clear();
    return made;
  }

  private RunResult writes(Kind kind, long operand) {
    OperationBlock block = new OperationBlock(1);
    block.control(kind, operand);
    machine.cpu(0).exits(ExitReason.REGISTER_WRITE, 0);
    RunResult result = vcpu.run(block);
    assertThat(block.next()).isEqualTo(result == RunResult.DONE ? 1 : 0);
    return result;
  }

  private void interceptsEverything() {
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
  }

  private void inLongMode(long moreCr4) {
    guest.cr0 = Cr0.PE | Cr0.PG | Cr0.ET;
    guest.cr4 = Cr4.PAE | moreCr4;
    guest.efer = Efer.LME | Efer.LMA;
    interceptsEverything();
  }

  @Test
  void movToCr3ChangesTheGuestsAndTheBackendSetsTheHardwares() {
    inLongMode(0);
    assertThat(writes(Kind.MOV_CR3, 0x5000)).isEqualTo(RunResult.DONE);
    assertThat(guest.cr3).isEqualTo(0x5000);
    assertThat(vcpu.control().registers().cr3).isZero();
    assertThat(backend.calls).containsExactly("updateCr3 false");
    assertThat(machine.cpu(0).flushes).containsExactly("tag 1");
    assertThat(vcpu.exits(ExitReason.REGISTER_WRITE)).isEqualTo(1);
  }

  @Test
  void movToCr3WithBit63KeepsWhatIsCached() {
    inLongMode(Cr4.PCIDE);
    writes(Kind.MOV_CR3, 0x5001 | Cr3.NO_FLUSH);
    assertThat(guest.cr3).isEqualTo(0x5001);
    assertThat(backend.calls).containsExactly("updateCr3 true");
    assertThat(machine.cpu(0).flushes).isEmpty();
    writes(Kind.MOV_CR3, 0x5001);
    assertThat(backend.calls).last().isEqualTo("updateCr3 false");
    assertThat(machine.cpu(0).flushes).containsExactly("tag 1");
  }

  @Test
  void bit63MeansNothingOutsideLongMode() {
    interceptsEverything();
    writes(Kind.MOV_CR3, 0x5000 | Cr3.NO_FLUSH);
    assertThat(backend.calls).containsExactly("updateCr3 false");
  }

  @Test
  void aChangeOfModeLetsTheBackendChooseAgain() {
    interceptsEverything();
    guest.cr0 = Cr0.PE | Cr0.ET;
    writes(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    assertThat(guest.cr0).isEqualTo(Cr0.PE | Cr0.PG | Cr0.ET);
    assertThat(backend.calls).containsExactly("updatePagingModes");
    assertThat(machine.cpu(0).flushes).containsExactly("tag 1");
  }

  @Test
  void aWriteThatChangesNoRuleAsksNobody() {
    inLongMode(0);
    writes(Kind.MOV_CR0, guest.cr0 | Cr0.TS);
    assertThat(guest.cr0 & Cr0.TS).isNotZero();
    assertThat(backend.calls).isEmpty();
    assertThat(machine.cpu(0).flushes).isEmpty();
  }

  @Test
  void bitsOfTheSameWriteThatDoNotExitGoToTheHardware() {
    vcpu.control().interceptRegisters(Cr0.WP, false, 0, false, false);
    guest.cr0 = Cr0.PE | Cr0.ET;
    vcpu.control().registers().cr0 = Cr0.PE | Cr0.ET;
    writes(Kind.MOV_CR0, Cr0.PE | Cr0.WP | Cr0.TS);
    assertThat(vcpu.control().registers().cr0).isEqualTo(Cr0.PE | Cr0.ET | Cr0.TS);
    assertThat(guest.cr0).isEqualTo(Cr0.PE | Cr0.ET | Cr0.TS | Cr0.WP);
  }

  @Test
  void aWriteAgainstTheRulesIsAGeneralProtectionFault() {
    inLongMode(0);
    assertThat(writes(Kind.MOV_CR4, 0)).isEqualTo(RunResult.FAULT);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.GP);
    assertThat(vcpu.faultErrorCode()).isZero();
    assertThat(guest.cr4).isEqualTo(Cr4.PAE);
    assertThat(backend.calls).isEmpty();
  }

  @Test
  void wrpkruWithoutKeysIsAnInvalidOpcode() {
    inLongMode(0);
    assertThat(writes(Kind.WRPKRU, 1)).isEqualTo(RunResult.FAULT);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.UD);
  }

  @Test
  void pdptesAreReadFromTheGuestsMemory() {
    interceptsEverything();
    guest.cr0 = Cr0.PE | Cr0.PG | Cr0.ET;
    guest.cr4 = Cr4.PAE;
    vcpu.domain().deviceStore(0x1028, 8, 0x2001);
    writes(Kind.MOV_CR3, 0x1020);
    assertThat(machine.memory().load(0x9028, 8)).isEqualTo(0x2001);
    assertThat(guest.pdptes).containsExactly(0, 0x2001, 0, 0);
  }

  @Test
  void aRestoredRegisterTakesItsValueUncheckedAndEverythingFollowsFromIt() {
    interceptsEverything();
    long unchecked = 0xffff_ffff_ffffL;
    writes(Kind.LOAD_CR0, unchecked);
    writes(Kind.LOAD_CR3, unchecked | Cr3.NO_FLUSH);
    writes(Kind.LOAD_CR4, unchecked);
    writes(Kind.LOAD_EFER, unchecked);
    writes(Kind.LOAD_PKRU, -1);
    assertThat(new long[] {guest.cr0, guest.cr3, guest.cr4, guest.efer}).containsOnly(unchecked);
    assertThat(guest.pkru).isEqualTo(-1);
    assertThat(backend.calls).hasSize(10).startsWith("updatePagingModes", "updateCr3 false");
    assertThat(machine.cpu(0).flushes).hasSize(5).containsOnly("tag 1");
  }

  @Test
  void aRestoredPdpteIsLatchedWhereItSays() {
    interceptsEverything();
    OperationBlock block = new OperationBlock(1);
    block.control(Kind.LOAD_PDPTE, 0x7001, 2);
    machine.cpu(0).exits(ExitReason.REGISTER_WRITE, 0);
    assertThat(vcpu.run(block)).isEqualTo(RunResult.DONE);
    assertThat(guest.pdptes).containsExactly(0, 0, 0x7001, 0);
  }

  @Test
  void theModeThatTheBackendChoosesIsTheOneThatIsAskedFromThenOn() {
    interceptsEverything();
    guest.cr0 = Cr0.PE | Cr0.ET;
    FakeBackend second = new FakeBackend();
    backend.mode = second;
    writes(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    writes(Kind.MOV_CR3, 0x1000);
    assertThat(second.calls).containsExactly("updateCr3 false");
    FakeBackend third = new FakeBackend();
    backend.mode = third;
    writes(Kind.LOAD_CR3, 0x2000);
    assertThat(third.calls).containsExactly("updateCr3 false");
  }

  @Test
  void bitsOfARestoredRegisterThatDoNotExitGoToTheHardware() {
    vcpu.control().interceptRegisters(Cr0.WP, false, 0, false, false);
    writes(Kind.LOAD_CR0, Cr0.PE | Cr0.WP | Cr0.TS);
    assertThat(vcpu.control().registers().cr0).isEqualTo(Cr0.PE | Cr0.TS);
    assertThat(guest.cr0).isEqualTo(Cr0.PE | Cr0.WP | Cr0.TS);
  }
}
