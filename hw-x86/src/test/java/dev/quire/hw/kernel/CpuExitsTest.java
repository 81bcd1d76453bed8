// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.FaultRule;
import dev.quire.api.x86.Invalidation;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.hw.reference.Shape;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Why and where a CPU comes out of a block, and what it leaves behind. */
class CpuExitsTest {
  private static final long PAGE = 0x12345000;
  private static final long READ_ONLY = 0x12346000;
  private static final long HOLE = 0x12347000;
  private static final long USER = Access.of(0, true, false);

  private final TestCpu cpu = new TestCpu(MachineSpec.bare(profile()));
  private final Tables tables = new Tables(cpu.memory, Shape.FOUR_LEVEL, 0x10000);
  private final ControlBlock guest = new ControlBlock();
  private final OperationBlock block = new OperationBlock(16);

  CpuExitsTest() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    tables.map(READ_ONLY, 1, 0x101000, Tables.PLAIN & ~Tables.RW);
    guest.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    guest.registers().cr4 = Cr4.PAE;
    guest.registers().efer = Efer.LME | Efer.LMA;
    guest.registers().cr3 = tables.root();
  }

  private static CpuProfile profile() {
    Set<Feature> features = CpuProfile.allOf(Vendor.INTEL);
    return new CpuProfile(Vendor.INTEL, 40, features);
  }

  private ExitReason enter() {
    return cpu.cpu.enter(guest, block, Integer.MAX_VALUE);
  }

  private void exits(ExitReason reason, Kind kind, long operand) {
    block.clear();
    block.control(kind, operand);
    assertThat(enter()).isEqualTo(reason);
    assertThat(block.next()).isEqualTo(reason == ExitReason.DONE ? 1 : 0);
  }

  @Test
  void anEmptyBlockIsDone() {
    assertThat(enter()).isEqualTo(ExitReason.DONE);
  }

  @Test
  void theBudgetEndsARunAndTheNextOneGoesOnThere() {
    for (int i = 0; i < 5; i++) {
      block.probe(USER, PAGE + i);
    }
    assertThat(cpu.cpu.enter(guest, block, 2)).isEqualTo(ExitReason.PREEMPTED);
    assertThat(block.next()).isEqualTo(2);
    assertThat(cpu.cpu.enter(guest, block, 0)).isEqualTo(ExitReason.PREEMPTED);
    assertThat(cpu.cpu.enter(guest, block, 3)).isEqualTo(ExitReason.DONE);
    assertThat(block.next()).isEqualTo(5);
    for (int i = 0; i < 5; i++) {
      assertThat(block.reached()[i]).isEqualTo(0x100000 + i);
    }
  }

  @Test
  void aPageFaultStopsBeforeItsOperationAndLoadsCr2() {
    block.probe(USER, PAGE);
    block.probe(Access.of(Access.WRITE, true, false), READ_ONLY + 5);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(block.next()).isEqualTo(1);
    assertThat(guest.exitVector()).isEqualTo(Vector.PF);
    assertThat(guest.exitErrorCode()).isEqualTo(ErrorCode.P | ErrorCode.W | ErrorCode.U);
    assertThat(guest.exitLinear()).isEqualTo(READ_ONLY + 5);
    assertThat(guest.registers().cr2).isEqualTo(READ_ONLY + 5);
    assertThat(Translation.rule(guest.exitFault())).isEqualTo(FaultRule.READ_ONLY);
    assertThat(Translation.faultLevel(guest.exitFault())).isEqualTo(1);
    assertThat(cpu.counters.get(HwEvent.PAGE_FAULTS)).isEqualTo(1);
  }

  @Test
  void anInterceptedPageFaultLeavesCr2Alone() {
    guest.interceptPageFaults(ErrorCode.P | ErrorCode.W, ErrorCode.W);
    block.probe(Access.of(Access.WRITE, true, false), HOLE);
    assertThat(enter()).isEqualTo(ExitReason.PAGE_FAULT);
    assertThat(guest.exitLinear()).isEqualTo(HOLE);
    assertThat(guest.registers().cr2).isZero();
    assertThat(Translation.rule(guest.exitFault())).isEqualTo(FaultRule.NOT_PRESENT);
    block.clear();
    block.probe(USER, HOLE);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.registers().cr2).isEqualTo(HOLE);
    guest.passPageFaults();
    block.clear();
    block.probe(Access.of(Access.WRITE, true, false), HOLE);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
  }

  @Test
  void anAddressThatIsNotCanonicalIsAGeneralProtectionFault() {
    for (long linear : new long[] {1L << 47, 1L << 60, 0x7000_0000_0000_0000L}) {
      block.clear();
      block.probe(USER, linear);
      assertThat(enter()).isEqualTo(ExitReason.FAULT);
      assertThat(guest.exitVector()).isEqualTo(Vector.GP);
      assertThat(guest.exitErrorCode()).isZero();
      assertThat(guest.exitLinear()).isEqualTo(linear);
    }
    assertThat(cpu.counters.get(HwEvent.GENERAL_PROTECTION)).isEqualTo(3);
    assertThat(cpu.counters.get(HwEvent.WALKS)).isZero();
    assertThat(guest.registers().cr2).isZero();
  }

  @Test
  void aHypercallExits() {
    exits(ExitReason.HYPERCALL, Kind.HYPERCALL, 0);
  }

  @Test
  void registerWritesExitByTheBitsThatAreIntercepted() {
    long cr0 = guest.registers().cr0;
    guest.interceptRegisters(Cr0.WP, true, Cr4.SMAP, true, true);
    guest.shadows(cr0, 0);
    exits(ExitReason.REGISTER_WRITE, Kind.MOV_CR0, cr0 ^ Cr0.WP);
    exits(ExitReason.DONE, Kind.MOV_CR0, cr0 ^ Cr0.TS);
    exits(ExitReason.REGISTER_WRITE, Kind.MOV_CR3, 0);
    exits(ExitReason.REGISTER_WRITE, Kind.MOV_CR4, Cr4.PAE | Cr4.SMAP);
    exits(ExitReason.DONE, Kind.MOV_CR4, Cr4.PAE | Cr4.SMEP);
    exits(ExitReason.REGISTER_WRITE, Kind.WRMSR_EFER, Efer.LME);
    exits(ExitReason.REGISTER_WRITE, Kind.WRPKRU, 0);
    exits(ExitReason.REGISTER_WRITE, Kind.WRMSR_PKRS, 0);
    for (Kind kind :
        new Kind[] {
          Kind.LOAD_CR0,
          Kind.LOAD_CR3,
          Kind.LOAD_CR4,
          Kind.LOAD_EFER,
          Kind.LOAD_PKRU,
          Kind.LOAD_PDPTE
        }) {
      exits(ExitReason.REGISTER_WRITE, kind, 0);
    }
    assertThat(guest.registers().cr0).isEqualTo(cr0 ^ Cr0.TS | Cr0.ET);
  }

  @Test
  void interceptedBitsThatTheGuestSeesUnchangedStayAsTheHardwareHasThem() {
    guest.interceptRegisters(Cr0.WP, false, Cr4.SMAP, false, false);
    guest.shadows(0, Cr4.SMAP); // the guest believes WP = 0 and SMAP = 1
    exits(ExitReason.DONE, Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    assertThat(guest.registers().cr0 & Cr0.WP).isNotZero();
    exits(ExitReason.DONE, Kind.MOV_CR4, Cr4.PAE | Cr4.SMAP | Cr4.SMEP);
    assertThat(guest.registers().cr4).isEqualTo(Cr4.PAE | Cr4.SMEP);
  }

  @Test
  void aRestoreOfEferExitsWherePagingIsIntercepted() {
    guest.interceptRegisters(Cr0.PG, false, 0, false, false);
    exits(ExitReason.REGISTER_WRITE, Kind.LOAD_EFER, Efer.LME | Efer.LMA);
    guest.interceptRegisters(Cr0.WP, false, 0, false, false);
    exits(ExitReason.DONE, Kind.LOAD_EFER, Efer.LME | Efer.LMA);
  }

  @Test
  void invalidationsExitIfIntercepted() {
    guest.interceptInvalidation(true);
    exits(ExitReason.INVLPG, Kind.INVLPG, PAGE);
    exits(ExitReason.INVPCID, Kind.INVPCID, PAGE);
    assertThat(cpu.counters.get(HwEvent.INVLPG)).isZero();
    assertThat(cpu.counters.get(HwEvent.INVPCID)).isZero();
  }

  @Test
  void refusedInstructionsFault() {
    exits(ExitReason.FAULT, Kind.MOV_CR0, Cr0.PG);
    assertThat(guest.exitVector()).isEqualTo(Vector.GP);
    exits(ExitReason.FAULT, Kind.WRPKRU, 0); // CR4.PKE = 0
    assertThat(guest.exitVector()).isEqualTo(Vector.UD);
    block.clear();
    block.control(Kind.INVPCID, 0, Invalidation.pack(Invalidation.CONTEXT, 5));
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitVector()).isEqualTo(Vector.GP);
    assertThat(cpu.counters.get(HwEvent.GENERAL_PROTECTION)).isEqualTo(2);
  }

  @Test
  void withoutTheInstructionInvpcidIsUndefined() {
    Set<Feature> features = CpuProfile.allOf(Vendor.AMD);
    features.remove(Feature.INVPCID);
    TestCpu old = new TestCpu(MachineSpec.bare(new CpuProfile(Vendor.AMD, 40, features)));
    guest.interceptInvalidation(true);
    block.control(Kind.INVPCID, 0, Invalidation.pack(Invalidation.ALL, 0));
    assertThat(old.cpu.enter(guest, block, 1)).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitVector()).isEqualTo(Vector.UD);
  }

  @Test
  void aCpuHasItsNumberAndWithoutCachesNoCache() {
    assertThat(cpu.cpu.number()).isZero();
    assertThat(cpu.cpu.translationCache()).isNull();
    assertThat(cpu.cpu.counters()).isSameAs(cpu.counters);
  }

  @Test
  void aCpuThatIsNotRunningHasFlushed() {
    long ticket = cpu.cpu.requestFlush();
    assertThat(ticket).isEqualTo(1);
    assertThat(cpu.cpu.requestFlush()).isEqualTo(2);
    assertThat(cpu.cpu.hasFlushed(2)).isTrue();
    enter();
    assertThat(cpu.counters.get(HwEvent.FLUSHES_ALL)).isEqualTo(1); // one serves both
  }
}
