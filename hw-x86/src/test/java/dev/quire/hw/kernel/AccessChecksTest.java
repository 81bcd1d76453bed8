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
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.Vector;
import dev.quire.hw.reference.Shape;
import org.junit.jupiter.api.Test;

/**
 * The named checks of kvm-unit-tests' access.c and its siblings, and of XTF's invlpg, on a CPU with
 * caches.
 */
class AccessChecksTest {
  private static final long PAGE = 0x00007f0012345000L;
  private static final long NEIGHBOUR = PAGE + 0x1000;
  private static final long OTHER_PATH = 0x00007f8012345000L;
  private static final long USER_READ = Access.of(0, true, false);
  private static final long USER_WRITE = Access.of(Access.WRITE, true, false);
  private static final long READ = Access.of(0, false, false);
  private static final long WRITE = Access.of(Access.WRITE, false, false);
  private static final long FETCH = Access.of(Access.FETCH, false, false);
  private static final long READ_AC = Access.of(0, false, true);

  private final TestCpu cpu =
      new TestCpu(MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withTlb(PrimedCpu.WHOLE));
  private final Tables tables = new Tables(cpu.memory, Shape.FOUR_LEVEL, 0x10000);
  private final ControlBlock guest = new ControlBlock();
  private final OperationBlock block = new OperationBlock(8);

  AccessChecksTest() {
    guest.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    guest.registers().cr4 = Cr4.PAE | Cr4.PGE;
    guest.registers().efer = Efer.LME | Efer.LMA | Efer.NXE;
    guest.registers().cr3 = tables.root();
  }

  private void control(Kind kind, long operand) {
    block.clear();
    block.control(kind, operand);
    assertThat(cpu.cpu.enter(guest, block, 8)).isEqualTo(ExitReason.DONE);
  }

  /** So often that the loop over hits is asked first, and has the turns that it does at once. */
  private void access(long access, long linear) {
    block.clear();
    while (!block.isFull()) {
      block.probe(access, linear);
    }
  }

  private void succeeds(long access, long linear) {
    access(access, linear);
    assertThat(cpu.cpu.enter(guest, block, 8))
        .as(Access.describe(access))
        .isEqualTo(ExitReason.DONE);
  }

  private void faults(long access, long linear, int code) {
    access(access, linear);
    assertThat(cpu.cpu.enter(guest, block, 8))
        .as(Access.describe(access))
        .isEqualTo(ExitReason.FAULT);
    assertThat(block.next()).isZero();
    assertThat(guest.exitVector()).isEqualTo(Vector.PF);
    assertThat(ErrorCode.describe(guest.exitErrorCode())).isEqualTo(ErrorCode.describe(code));
    assertThat(guest.registers().cr2).isEqualTo(linear);
  }

  @Test
  void aNewValueOfWriteProtectIsSeenByTheNextWrite() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.RW);
    for (int i = 0; i < 3; i++) {
      faults(WRITE, PAGE, ErrorCode.P | ErrorCode.W);
      control(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
      succeeds(WRITE, PAGE);
      faults(USER_WRITE, PAGE, ErrorCode.P | ErrorCode.W | ErrorCode.U);
      succeeds(WRITE, PAGE);
      control(Kind.MOV_CR0, Cr0.PE | Cr0.PG | Cr0.WP);
    }
  }

  @Test
  void aWriteWithoutWriteProtectMakesALargeReadOnlyPageDirty() {
    tables.map(PAGE, 2, 0x400000, Tables.P | Tables.US | Tables.A);
    guest.registers().cr0 &= ~Cr0.WP;
    succeeds(READ, PAGE);
    assertThat(tables.get(PAGE, 2) & Tables.D).isZero();
    succeeds(WRITE, PAGE);
    assertThat(tables.get(PAGE, 2) & Tables.D).isNotZero();
  }

  @Test
  void smepHoldsAlthoughASupervisorMayWriteToTheUsersReadOnlyPage() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.RW);
    control(Kind.MOV_CR4, Cr4.PAE | Cr4.PGE | Cr4.SMEP);
    control(Kind.MOV_CR0, Cr0.PE | Cr0.PG);
    succeeds(WRITE, PAGE);
    faults(FETCH, PAGE, ErrorCode.P | ErrorCode.I);
    succeeds(READ, PAGE);
    faults(FETCH, PAGE, ErrorCode.P | ErrorCode.I);
    succeeds(Access.of(Access.FETCH, true, false), PAGE);
  }

  @Test
  void rightsAreThoseOfThePathAlthoughTheTableIsShared() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    long shared = tables.get(PAGE, 2);
    tables.put(OTHER_PATH, 2, shared & ~Tables.RW & ~Tables.US);
    succeeds(USER_WRITE, PAGE);
    faults(USER_READ, OTHER_PATH, ErrorCode.P | ErrorCode.U);
    faults(WRITE, OTHER_PATH, ErrorCode.P | ErrorCode.W);
    succeeds(READ, OTHER_PATH);
    succeeds(USER_WRITE, PAGE);
    faults(WRITE, OTHER_PATH, ErrorCode.P | ErrorCode.W);
    faults(USER_READ, OTHER_PATH, ErrorCode.P | ErrorCode.U);
  }

  @Test
  void aFaultOnTheNeighbourHasItsOwnErrorCode() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    tables.map(NEIGHBOUR, 1, 0x101000, Tables.PLAIN & ~Tables.US);
    tables.put(PAGE, 2, tables.get(PAGE, 2) & ~Tables.RW);
    faults(USER_WRITE, PAGE, ErrorCode.P | ErrorCode.W | ErrorCode.U);
    succeeds(USER_READ, PAGE);
    faults(USER_READ, NEIGHBOUR, ErrorCode.P | ErrorCode.U);
    tables.put(NEIGHBOUR, 1, 0);
    faults(USER_READ, NEIGHBOUR, ErrorCode.U);
    faults(WRITE, NEIGHBOUR, ErrorCode.W);
  }

  @Test
  void anEntryThatBecomesALargePageAndATableAgainHasTheRightsOfEach() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.US);
    long table = tables.get(PAGE, 2);
    for (int i = 0; i < 3; i++) {
      faults(USER_READ, PAGE, ErrorCode.P | ErrorCode.U);
      tables.map(PAGE, 2, 0x400000, Tables.PLAIN & ~Tables.RW);
      control(Kind.INVLPG, PAGE);
      succeeds(USER_READ, PAGE);
      faults(WRITE, PAGE, ErrorCode.P | ErrorCode.W);
      tables.put(PAGE, 2, table);
      control(Kind.INVLPG, PAGE);
      succeeds(WRITE, PAGE);
    }
  }

  @Test
  void invlpgMakesTheNextAccessWalkAndSetAAgain() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    tables.map(NEIGHBOUR, 1, 0x101000, Tables.PLAIN);
    succeeds(READ, PAGE);
    succeeds(READ, NEIGHBOUR);
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.A);
    tables.map(NEIGHBOUR, 1, 0x101000, Tables.PLAIN & ~Tables.A);
    control(Kind.INVLPG, PAGE | 0xfff);
    succeeds(READ, PAGE);
    succeeds(READ, NEIGHBOUR);
    assertThat(tables.get(PAGE, 1) & Tables.A).isNotZero();
    assertThat(tables.get(NEIGHBOUR, 1) & Tables.A).isZero();
  }

  @Test
  void invlpgOfWhatIsNotMappedOrNotCanonicalDoesNotFault() {
    control(Kind.INVLPG, PAGE);
    control(Kind.INVLPG, 1L << 60);
    assertThat(cpu.counters.get(HwEvent.INVLPG)).isEqualTo(2);
    assertThat(cpu.counters.get(HwEvent.FLUSHES_ADDRESS)).isEqualTo(1);
  }

  @Test
  void smapAsksForTheFlagAtEachAccess() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    succeeds(READ, PAGE);
    control(Kind.MOV_CR4, Cr4.PAE | Cr4.PGE | Cr4.SMAP);
    faults(READ, PAGE, ErrorCode.P);
    succeeds(READ_AC, PAGE);
    faults(WRITE, PAGE, ErrorCode.P | ErrorCode.W);
    succeeds(USER_WRITE, PAGE);
    control(Kind.MOV_CR4, Cr4.PAE | Cr4.PGE);
    succeeds(READ, PAGE);
  }

  @Test
  void keysAreAskedAtEachAccessEvenOfPagesCachedBeforeTheyWereInForce() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN | 3L << 59);
    tables.map(NEIGHBOUR, 1, 0x101000, Tables.PLAIN & ~Tables.US | 3L << 59);
    succeeds(USER_WRITE, PAGE);
    succeeds(WRITE, NEIGHBOUR);
    control(Kind.MOV_CR4, Cr4.PAE | Cr4.PGE | Cr4.PKE | Cr4.PKS);
    control(Kind.WRPKRU, 2 << 6);
    control(Kind.WRMSR_PKRS, 1 << 6);
    succeeds(USER_READ, PAGE);
    faults(USER_WRITE, PAGE, ErrorCode.P | ErrorCode.W | ErrorCode.U | ErrorCode.PK);
    faults(READ, NEIGHBOUR, ErrorCode.P | ErrorCode.PK);
    succeeds(FETCH, NEIGHBOUR);
    succeeds(READ, PAGE); // cached again, where writes are denied only
    control(Kind.WRPKRU, 1 << 6);
    faults(READ, PAGE, ErrorCode.P | ErrorCode.PK);
    control(Kind.WRPKRU, 0);
    control(Kind.WRMSR_PKRS, 0);
    succeeds(USER_WRITE, PAGE);
    succeeds(WRITE, NEIGHBOUR);
  }

  @Test
  void aHitWithoutTheRightsWalksBeforeItFaults() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.RW);
    succeeds(READ, PAGE);
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN);
    succeeds(WRITE, PAGE); // the guest gave more rights, and need not invalidate
    assertThat(cpu.counters.get(HwEvent.RIGHTS_REWALKS)).isEqualTo(1);
  }

  @Test
  void aWriteToACleanPageWalksOnceToSetD() {
    tables.map(PAGE, 1, 0x100000, Tables.PLAIN & ~Tables.D);
    succeeds(READ, PAGE);
    succeeds(WRITE, PAGE);
    succeeds(WRITE, PAGE);
    assertThat(cpu.counters.get(HwEvent.DIRTY_SET)).isEqualTo(1);
    assertThat(cpu.counters.get(HwEvent.RIGHTS_REWALKS)).isEqualTo(1);
    assertThat(cpu.counters.get(HwEvent.WALKS)).isEqualTo(2);
  }
}
