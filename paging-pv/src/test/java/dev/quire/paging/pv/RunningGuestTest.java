// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.Vector;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** A PV guest on the machine's own walker and TLBs: what it begins with, and what its calls do. */
class RunningGuestTest extends OneGuestTest {
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;
  private static final long C = 43;
  private static final int EINVAL = -22;

  // ---- what it begins with ----

  @Test
  void findsStartInfoAndItsFramesThroughItsOwnTables() {
    byte[] magic =
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(guest.load(0, va(0))).array();
    assertThat(StartInfo.MAGIC).startsWith(new String(magic, StandardCharsets.US_ASCII));
    assertThat(guest.load(0, va(0, StartInfo.PAGES >>> 3))).isEqualTo(FRAMES);
    long list = guest.load(1, va(0, StartInfo.MFN_LIST >>> 3));
    for (int gfn = 0; gfn < FRAMES; gfn++) {
      assertThat(guest.load(1, Addresses.gva(list + gfn * 8L))).isEqualTo(guest.mfn(gfn));
    }
  }

  @Test
  void readsTheMachineToPhysicalTableAndCannotWriteIt() {
    long entry = Addresses.gva(0xffff800000000000L + guest.mfn(A) * 8);
    assertThat(guest.load(0, Addresses.gva(entry))).isEqualTo(A);
    assertThat(guest.store(0, Addresses.gva(entry), 1)).isEqualTo(RunResult.FAULT);
  }

  @Test
  void typesDeclaredByHandAreThoseThatValidationGives() {
    PvGuest second = host.guest(2, FRAMES);
    assertThat(guest.domain.id()).isZero();
    for (int gfn = 0; gfn < FRAMES; gfn++) {
      String byHand = describe(guest, gfn);
      assertThat(describe(second, gfn)).as("guest frame %d", gfn).isEqualTo(byHand);
      assertThat(second.type(gfn)).isEqualTo(guest.type(gfn));
    }
    assertThat(second.audit()).isEmpty();
  }

  private static String describe(PvGuest of, long gfn) {
    long mfn = of.mfn(gfn);
    return FrameWords.describe(
        of.frames().typeWord(Addresses.mfn(mfn)), of.frames().countWord(Addresses.mfn(mfn)));
  }

  @Test
  void aStoreToATableIsTheKernelsFaultAndChangesNothing() {
    long before = guest.load(0, va(guest.bootTable(1)));
    assertThat(guest.store(0, va(guest.bootTable(1)), 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu(0).faultVector()).isEqualTo(Vector.PF);
    assertThat(guest.vcpu(0).faultErrorCode()).isEqualTo(ErrorCode.P | ErrorCode.W);
    assertThat(guest.vcpu(0).faultLinear()).isEqualTo(va(guest.bootTable(1)));
    assertThat(guest.load(0, va(guest.bootTable(1)))).isEqualTo(before);
  }

  @Test
  void privilegedInstructionsFault() {
    assertThat(guest.control(0, Kind.MOV_CR4, 0)).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu(0).registers().cr4).isNotZero();
    assertThat(guest.control(0, Kind.MOV_CR0, 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu(0).faultVector()).isEqualTo(Vector.GP);
    assertThat(guest.control(0, Kind.LOAD_CR3, 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu(0).registers().cr3).isEqualTo(guest.entry(guest.bootTable(4), 0));
  }

  @Test
  void otherKindsOfGuestsAndBackendsDoNotMix() {
    assertThatThrownBy(
            () -> host.hypervisor.createDomain(new PvBackend(), DomainSpec.hvm(1, FRAMES)))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("pv");
    assertThatThrownBy(() -> host.guest(1, 3)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anEndedDomainGivesEveryFrameBack() {
    for (int round = 0; round < 300; round++) { // of 64 MiB each takes more than a quarter MiB
      PvGuest other = host.guest(1, FRAMES);
      other.protect(A);
      assertThat(other.pin(LIST, A, 2)).isZero();
      host.hypervisor.destroy(other.domain);
    }
  }

  // ---- mmu_update ----

  @Test
  void mmuUpdateChangesWhatTheHardwareSees() {
    guest.store(0, va(A), 0xa);
    guest.store(0, va(B), 0xb);
    long slot = guest.slot(guest.bootTable(1), A);
    assertThat(guest.mmuUpdate(LIST, slot, guest.entry(B, WRITABLE))).isZero();
    guest.extended(LIST, 6, 0); // a flush is the guest's to ask for
    assertThat(guest.load(0, va(A))).isEqualTo(0xb);
    assertThat(guest.typeCount(A)).isZero();
    assertThat(guest.typeCount(B)).isEqualTo(2);
  }

  @Test
  void mmuUpdateEndsWithTheFirstErrorAndSaysHowManyWereDone() {
    long table = guest.bootTable(1);
    long[] requests = {
      guest.slot(table, A), guest.entry(A, PRESENT),
      guest.slot(table, B), guest.entry(table, WRITABLE), // a writable table
      guest.slot(table, C), 0
    };
    assertThat(guest.mmuUpdate(LIST, requests)).isEqualTo(-Errno.EBUSY.number());
    assertThat(guest.refusal()).isEqualTo(PvRule.TYPE_IN_USE);
    assertThat(guest.doneCount(0, LIST)).isOne();
    assertThat(guest.load(0, va(table, C))).isNotZero();
  }

  @Test
  void mmuUpdateRefusesByRule() {
    long table = guest.bootTable(1);
    assertThat(guest.mmuUpdate(LIST, guest.slot(table, A) | 4, 0)).isEqualTo(-38);
    assertThat(guest.refusal()).isEqualTo(PvRule.COMMAND);
    assertThat(guest.mmuUpdate(LIST, 1L << 60, 0)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.NOT_THE_DOMAINS_FRAME);
    assertThat(guest.mmuUpdate(0, LIST, 99, 0, 0)).isEqualTo(-3);
    assertThat(guest.refusal()).isEqualTo(PvRule.NO_SUCH_DOMAIN);
    assertThat(guest.mmuUpdate(0, LIST, guest.domain.id(), 0, 0)).isEqualTo(-3);
    assertThat(guest.call(0, CallNumber.MMU_UPDATE, 0x10, 1, 0, Batch.DOMID_SELF)).isEqualTo(-14);
    assertThat(guest.refusal()).isEqualTo(PvRule.POINTER);
    assertThat(guest.mmuUpdate(LIST, guest.slot(guest.bootTable(4), 258), 0)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.HYPERVISOR_SLOT);
  }

  @Test
  void anotherDomainsTablesAndFramesNeedPower() {
    PvGuest other = host.guest(1, FRAMES);
    long foreign = other.domain.id() + 1L << 16 | Batch.DOMID_SELF;
    long slot = other.slot(other.bootTable(1), A);
    assertThat(guest.mmuUpdate(0, LIST, foreign, slot, 0)).isEqualTo(-1);
    assertThat(guest.refusal()).isEqualTo(PvRule.NOT_PRIVILEGED);
    assertThat(guest.mmuUpdate(0, LIST, other.domain.id(), slot, 0)).isEqualTo(-1);
    PvGuest control = host.guest(1, FRAMES, PvGuest.privileged());
    long into = control.slot(control.bootTable(1), A);
    long theirs = other.entry(A, WRITABLE);
    assertThat(control.mmuUpdate(0, LIST, other.domain.id(), into, theirs)).isZero();
    other.store(0, va(A), 76);
    control.extended(LIST, 6, 0);
    assertThat(control.load(0, va(A))).isEqualTo(76);
    assertThat(other.remap(0, va(A), other.entry(A, PRESENT))).isZero();
    assertThat(other.pin(LIST, A, 1)).as("mapped writable by another").isEqualTo(EINVAL);
    assertThat(control.mmuUpdate(LIST, into, 0)).isZero();
    assertThat(other.pin(LIST, A, 1)).isZero();
  }

  @Test
  void machineToPhysicalIsTheOwnersToWriteAndIsNotTrusted() {
    long word = Addresses.gva(0xffff800000000000L + guest.mfn(A) * 8);
    assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, -2L)).isZero();
    assertThat(guest.load(0, Addresses.gva(word))).isEqualTo(-2L);
    PvGuest other = host.guest(1, FRAMES);
    for (int i = 0; i < 5; i++) { // XSA-113: a refusal keeps no reference
      assertThat(guest.mmuUpdate(LIST, other.mfn(A) << 12 | 1, 5)).isEqualTo(EINVAL);
    }
    assertThat(other.count(A)).isEqualTo(2);
  }

  @Test
  void preserveKeepsWhatTheHardwareSet() {
    long table = guest.bootTable(1);
    assertThat(guest.mmuUpdate(LIST, guest.slot(table, A), guest.entry(A, WRITABLE))).isZero();
    long plain = guest.entry(A, WRITABLE) & ~(3L << 5);
    assertThat(guest.mmuUpdate(LIST, guest.slot(table, A) | 2, plain)).isZero();
    assertThat(guest.load(0, va(table, A)) & 3L << 5).isEqualTo(3L << 5);
    assertThat(guest.mmuUpdate(LIST, guest.slot(table, A), plain)).isZero();
    assertThat(guest.load(0, va(table, A)) & 3L << 5).isZero();
  }

  @Test
  void aPreemptedCallGoesOnWhereItStopped() {
    PvGuest hasty = host.guest(1, FRAMES, GuestPolicy.PLAIN, () -> Patience.of(1));
    long[] requests = new long[20];
    for (int i = 0; i < 10; i++) {
      requests[2 * i] = hasty.slot(hasty.bootTable(1), A + i);
      requests[2 * i + 1] = hasty.entry(A + i, PRESENT);
    }
    assertThat(hasty.mmuUpdate(LIST, requests)).isZero();
    assertThat(hasty.doneCount(0, LIST)).isEqualTo(10);
    assertThat(hasty.pv.statistics().get("preempted")).isGreaterThan(3);
    assertThat(hasty.load(0, va(A + 9))).isZero();
    assertThat(hasty.typeCount(A + 9)).isZero();
    assertThat(hasty.audit()).isEmpty();
  }

  // ---- update_va_mapping ----

  @Test
  void updateVaMappingFlushesAsAsked() {
    guest.store(0, va(B), 0xb);
    guest.load(0, va(A));
    guest.load(1, va(A));
    long entry = guest.entry(B, PRESENT);
    assertThat(guest.call(0, CallNumber.UPDATE_VA_MAPPING, va(A), entry, 2)).isZero();
    assertThat(guest.load(0, va(A))).isEqualTo(0xb);
    assertThat(guest.load(1, va(A))).as("another CPU, not flushed").isZero();
    assertThat(guest.call(0, CallNumber.UPDATE_VA_MAPPING, va(A), entry, 2 | 4)).isZero();
    assertThat(guest.load(1, va(A))).isEqualTo(0xb);
  }

  @Test
  void updateVaMappingNeedsALevel1Table() {
    assertThat(guest.remap(0, Addresses.gva(0x1000), 0)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.NO_LEVEL_1);
    assertThat(guest.remap(0, Addresses.gva(1L << 47), 0)).isEqualTo(EINVAL);
    assertThat(guest.remap(0, Addresses.gva(0xffff810000000000L), 0)).isEqualTo(EINVAL);
  }

  // ---- mmuext_op ----

  @Test
  void pinsAndUnpins() {
    assertThat(guest.pin(LIST, A, 1)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.TYPE_IN_USE);
    guest.protect(A);
    assertThat(guest.pin(LIST, A, 1)).isZero();
    assertThat(guest.type(A)).isEqualTo(FrameType.L1);
    assertThat(guest.pin(LIST, A, 1)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.PINNED);
    assertThat(guest.remap(0, va(A), guest.entry(A, WRITABLE))).isEqualTo(-16);
    assertThat(guest.unpin(LIST, A)).isZero();
    assertThat(guest.unpin(LIST, A)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.NOT_PINNED);
    guest.unprotect(A);
  }

  @Test
  void clearsAndCopiesWhatIsNotInUseAsATable() {
    guest.store(0, va(A, 7), 0x77);
    assertThat(guest.extended(0, LIST, 17, guest.mfn(B), guest.mfn(A))).isZero();
    assertThat(guest.load(0, va(B, 7))).isEqualTo(0x77);
    assertThat(guest.extended(LIST, 16, guest.mfn(A))).isZero();
    assertThat(guest.load(0, va(A, 7))).isZero();
    assertThat(guest.extended(LIST, 16, guest.mfn(guest.bootTable(1)))).isEqualTo(EINVAL);
    assertThat(guest.extended(LIST, 19, guest.mfn(A))).isEqualTo(-95);
    assertThat(guest.extended(LIST, 14, 0)).isEqualTo(-38);
    assertThat(guest.extended(LIST, 12, 0)).isEqualTo(-13);
  }

  @Test
  void newBaseptrMakesAnotherTableTheHardwares() {
    guest.copyRoot(A, LIST);
    assertThat(guest.extended(LIST, 5, guest.mfn(A))).isZero();
    assertThat(guest.vcpu(0).registers().cr3).isEqualTo(guest.entry(A, 0));
    assertThat(root(0)).isEqualTo(guest.entry(A, 0));
    assertThat(guest.vcpu(1).registers().cr3).isEqualTo(guest.entry(guest.bootTable(4), 0));
    assertThat(guest.typeCount(A)).isEqualTo(2);
    assertThat(guest.unpin(LIST, A)).isZero();
    assertThat(guest.type(A)).as("the vCPU still holds it").isEqualTo(FrameType.L4);
    assertThat(guest.extended(LIST, 5, guest.mfn(B))).isEqualTo(EINVAL);
    assertThat(guest.extended(LIST, 5, guest.mfn(guest.bootTable(4)))).isZero();
    assertThat(guest.typeCount(A)).isZero();
    assertThat(guest.control(0, Kind.MOV_CR3, guest.entry(B, 0))).isEqualTo(RunResult.FAULT);
  }

  @Test
  void userProgramsRunOnTheirOwnRoot() {
    guest.copyRoot(A, LIST);
    assertThat(guest.extended(LIST, 15, guest.mfn(A))).isZero();
    guest.fill(0, B, 0x1234, 0, 0, 0, 0, 0xe033, 0, 0, 0xe02b);
    assertThat(guest.call(0, CallNumber.IRET, va(B))).isEqualTo(0x1234);
    assertThat(root(0)).isEqualTo(guest.entry(A, 0));
    assertThat(guest.access(0, Addresses.gva(0x5000), true, true)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu(0).faultErrorCode()).isEqualTo(ErrorCode.U | ErrorCode.W);
    assertThat(root(0))
        .as("a fault enters the kernel")
        .isEqualTo(guest.entry(guest.bootTable(4), 0));
    guest.call(0, CallNumber.IRET, va(B));
    assertThat(guest.control(0, Kind.HYPERCALL, 0)).isEqualTo(RunResult.DONE);
    assertThat(guest.pv.vcpu(0).roots().isInKernel()).as("a system call enters it too").isTrue();
    assertThat(guest.extended(LIST, 15, 0)).isZero();
    assertThat(guest.typeCount(A)).isOne();
  }

  @Test
  void flushesReachTheVcpusOfTheMask() {
    guest.load(1, va(A));
    long slot = guest.slot(guest.bootTable(1), A);
    guest.store(0, va(B), 0xb);
    assertThat(guest.mmuUpdate(LIST, slot, guest.entry(B, PRESENT))).isZero();
    guest.fill(0, C, 0b10);
    assertThat(guest.load(1, va(A))).isZero();
    assertThat(guest.extended(0, LIST, 9, va(A), va(C))).isZero();
    assertThat(guest.load(1, va(A))).isEqualTo(0xb);
    assertThat(guest.extended(0, LIST, 9, va(A), 0x10)).isEqualTo(EINVAL);
    assertThat(guest.extended(0, LIST, 11, 1L << 47, 0)).isZero();
    assertThat(guest.extended(0, LIST, 10, 0, 0)).isZero();
  }
}
