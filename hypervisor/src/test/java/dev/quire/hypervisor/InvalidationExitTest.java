// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.Vector;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class InvalidationExitTest {
  private static final long NOT_CANONICAL = 0x8000_0000_0000L;

  private final FakeMachine machine = FakeMachine.ofFrames(1, 64);
  private final FakeBackend backend = new FakeBackend();
  private final GuestVcpu vcpu =
      (GuestVcpu) new MachineHypervisor(machine).createDomain(backend, Specs.row(1, 8)).vcpu(0);

  @BeforeEach
  void enterLongMode() {
    vcpu.control().interceptRegisters(-1, true, -1, true, true);
    vcpu.registers().cr0 = Cr0.PE | Cr0.PG;
    vcpu.registers().cr4 = Cr4.PAE;
    vcpu.registers().efer = Efer.LME | Efer.LMA;
    backend.calls.clear();
  }

  private void enablePcids(int current) {
    vcpu.registers().cr4 |= Cr4.PCIDE;
    vcpu.registers().cr3 = 0x1000 | current;
  }

  private RunResult invlpg(long linear) {
    OperationBlock block = new OperationBlock(1);
    block.control(Kind.INVLPG, linear);
    machine.cpu(0).exits(ExitReason.INVLPG, 0);
    return vcpu.run(block);
  }

  private RunResult invpcid(int type, int pcid, long linear) {
    OperationBlock block = new OperationBlock(1);
    block.control(Kind.INVPCID, linear, Invalidation.pack(type, pcid));
    machine.cpu(0).exits(ExitReason.INVPCID, 0);
    return vcpu.run(block);
  }

  @Test
  void theHardwareInvalidatesIfTheBackendSaysThatItMust() {
    assertThat(invlpg(0x7000)).isEqualTo(RunResult.DONE);
    assertThat(backend.calls).containsExactly("invalidate 7000");
    assertThat(machine.cpu(0).flushes).containsExactly("tag 1 at 7000");
    backend.mustInvalidate = false;
    invlpg(0x8000);
    assertThat(backend.calls).last().isEqualTo("invalidate 8000");
    assertThat(machine.cpu(0).flushes).hasSize(1);
    assertThat(vcpu.exits(ExitReason.INVLPG)).isEqualTo(2);
  }

  @Test
  void invlpgOfAnAddressThatIsNotCanonicalDoesNothing() {
    assertThat(invlpg(NOT_CANONICAL)).isEqualTo(RunResult.DONE);
    assertThat(backend.calls).isEmpty();
    vcpu.registers().cr4 |= Cr4.LA57;
    invlpg(NOT_CANONICAL);
    assertThat(backend.calls).hasSize(1);
  }

  @Test
  void outsideLongModeEveryAddressIsCanonical() {
    vcpu.registers().efer = 0;
    invlpg(0xffff_f000L);
    assertThat(backend.calls).containsExactly("invalidate fffff000");
    vcpu.registers().cr0 = Cr0.PE;
    invlpg(NOT_CANONICAL);
    assertThat(backend.calls).hasSize(2);
  }

  @Test
  void invpcidOfAnAddressInTheCurrentPcidIsLikeInvlpg() {
    invpcid(Invalidation.ADDRESS, 0, 0x7000);
    enablePcids(5);
    invpcid(Invalidation.ADDRESS, 5, 0x8000);
    assertThat(backend.calls).containsExactly("invalidate 7000", "invalidate 8000");
    assertThat(machine.cpu(0).flushes).containsExactly("tag 1 at 7000", "tag 1 at 8000");
  }

  @Test
  void anyOtherInvpcidDropsTheWholeTag() {
    enablePcids(5);
    invpcid(Invalidation.ADDRESS, 6, 0x7000);
    invpcid(Invalidation.CONTEXT, 5, 0);
    invpcid(Invalidation.ALL, 0, 0);
    invpcid(Invalidation.ALL_NON_GLOBAL, 0, 0);
    assertThat(backend.calls).hasSize(4).containsOnly("updateCr3 false");
    assertThat(machine.cpu(0).flushes).hasSize(4).containsOnly("tag 1");
  }

  @Test
  void illegalOperandsOfInvpcidAreAGeneralProtectionFault() {
    assertThat(invpcid(4, 0, 0)).isEqualTo(RunResult.FAULT);
    assertThat(vcpu.faultVector()).isEqualTo(Vector.GP);
    assertThat(invpcid(Invalidation.CONTEXT, 1, 0)).isEqualTo(RunResult.FAULT);
    assertThat(invpcid(Invalidation.ADDRESS, 0, NOT_CANONICAL)).isEqualTo(RunResult.FAULT);
    assertThat(backend.calls).isEmpty();
  }

  @Test
  void withoutPcidsTheLowBitsOfCr3AreNoPcid() {
    vcpu.registers().cr3 = 0x1018;
    invpcid(Invalidation.ADDRESS, 0, 0x7000);
    assertThat(backend.calls).containsExactly("invalidate 7000");
  }
}
