// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;
import dev.quire.api.domain.RunResult;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import org.junit.jupiter.api.Test;

/**
 * What a PV guest asks for beside its tables: descriptors, trapped stores, several calls, memory.
 */
class RunningCallsTest extends OneGuestTest {
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;
  private static final long C = 43;
  private static final int EINVAL = -22;

  // ---- descriptor tables ----

  @Test
  void gdtFramesAreTakenAllOrNone() {
    guest.protect(A);
    guest.fill(0, C, guest.mfn(A), guest.mfn(B));
    assertThat(guest.call(0, CallNumber.SET_GDT, va(C), 600)).isEqualTo(EINVAL);
    assertThat(guest.typeCount(A)).isZero();
    guest.protect(B);
    assertThat(guest.call(0, CallNumber.SET_GDT, va(C), 600)).isZero();
    assertThat(guest.type(B)).isEqualTo(FrameType.SEG_DESC);
    assertThat(guest.remap(0, va(A), guest.entry(A, WRITABLE))).isEqualTo(-16);
    assertThat(guest.call(0, CallNumber.SET_GDT, va(C), 7169)).isEqualTo(EINVAL);
    long code = 0x00af9b000000ffffL;
    long slot = guest.slot(A, 3);
    assertThat(guest.call(0, CallNumber.UPDATE_DESCRIPTOR, slot, code)).isZero();
    assertThat(guest.load(0, va(A, 3)) >>> 45 & 3).as("the guest's ring").isEqualTo(3);
    long taskGate = 1L << 47 | 5L << 40;
    assertThat(guest.call(0, CallNumber.UPDATE_DESCRIPTOR, slot, taskGate)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.DESCRIPTOR);
    assertThat(guest.call(0, CallNumber.UPDATE_DESCRIPTOR, slot + 4, code)).isEqualTo(EINVAL);
    assertThat(guest.call(0, CallNumber.SET_GDT, va(C), 0)).isZero();
    guest.unprotect(A);
  }

  @Test
  void ldtFramesAreTakenWhenTheyAreFirstUsed() {
    guest.protect(A);
    assertThat(guest.extended(0, LIST, 13, va(A), 8)).isZero();
    assertThat(guest.typeCount(A)).isZero();
    assertThat(guest.pv.vcpu(0).descriptors().mapLdt(7)).isTrue();
    assertThat(guest.type(A)).isEqualTo(FrameType.SEG_DESC);
    assertThat(guest.typeCount(A)).isOne();
    assertThat(guest.pv.vcpu(0).descriptors().mapLdt(8)).as("beyond the limit").isFalse();
    assertThat(guest.extended(0, LIST, 13, va(A) + 8, 8)).isEqualTo(EINVAL);
    assertThat(guest.extended(0, LIST, 13, va(A), 8193)).isEqualTo(EINVAL);
    guest.copyRoot(B, LIST);
    assertThat(guest.extended(LIST, 5, guest.mfn(B))).isZero();
    assertThat(guest.typeCount(A)).as("a new root lets go of it").isZero();
    assertThat(guest.extended(LIST, 5, guest.mfn(guest.bootTable(4)))).isZero();
  }

  // ---- stores to tables ----

  @Test
  void storesToLevel1TablesAreEmulatedOnRequest() {
    long table = guest.bootTable(1);
    assertThat(guest.call(0, CallNumber.VM_ASSIST, 0, 2)).isZero();
    assertThat(guest.store(0, va(table, A), guest.entry(A, PRESENT))).isEqualTo(RunResult.DONE);
    assertThat(guest.typeCount(A)).isZero();
    long other = guest.load(0, va(table, B));
    assertThat(guest.exchange(0, va(table, B), other, 0)).isEqualTo(other);
    assertThat(guest.exchange(0, va(table, B), other, 0)).as("no longer there").isZero();
    assertThat(guest.count(B)).isOne();
    assertThat(guest.store(0, va(table, C), 4, 0)).as("half an entry").isEqualTo(RunResult.DONE);
    assertThat(guest.count(C)).isOne();
    assertThat(guest.access(0, va(table), true, false)).isEqualTo(RunResult.DONE);
    assertThat(guest.pv.statistics().get("stores to tables emulated")).isGreaterThan(4);
  }

  @Test
  void storesThatAreRefusedAreTheGuestsPageFault() {
    long table = guest.bootTable(1);
    guest.call(0, CallNumber.VM_ASSIST, 0, 2);
    assertThat(guest.store(0, va(table, A), guest.entry(table, WRITABLE)))
        .isEqualTo(RunResult.FAULT);
    assertThat(guest.refusal()).isEqualTo(PvRule.TYPE_IN_USE);
    assertThat(guest.store(0, va(guest.bootTable(2)), 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.store(0, Addresses.gva(va(table, A) + 4), 8, 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.call(0, CallNumber.VM_ASSIST, 1, 2)).isZero();
    assertThat(guest.store(0, va(table, A), 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.call(0, CallNumber.VM_ASSIST, 0, 4)).isEqualTo(EINVAL);
    assertThat(guest.call(0, CallNumber.VM_ASSIST, 7, 2)).isEqualTo(-38);
  }

  // ---- multicall, memory_op ----

  @Test
  void multicallMakesCallsOneAfterTheOther() {
    guest.fill(0, B, 0xbb);
    guest.fill(0, LIST, 14, 0, va(A), guest.entry(B, PRESENT), 2, 0, 0, 0);
    fillSecond(21, 9, 9);
    assertThat(guest.call(0, CallNumber.MULTICALL, va(LIST), 2)).isZero();
    assertThat(guest.load(0, va(LIST, 1))).isZero();
    assertThat(guest.load(0, va(LIST, 9))).isEqualTo(EINVAL);
    assertThat(guest.load(0, va(A))).isEqualTo(0xbb);
    fillSecond(13, va(LIST), 1);
    assertThat(guest.call(0, CallNumber.MULTICALL, va(LIST), 2)).isZero();
    assertThat(guest.load(0, va(LIST, 9))).as("one in another").isEqualTo(EINVAL);
  }

  private void fillSecond(long... entry) {
    guest.store(0, va(LIST, 8), entry[0]);
    guest.store(0, va(LIST, 10), entry[1]);
    guest.store(0, va(LIST, 11), entry[2]);
  }

  @Test
  void memoryGoesAndComes() {
    assertThat(guest.remap(0, va(A), 0)).isZero();
    long gone = guest.mfn(A);
    reservation(gone);
    assertThat(guest.call(0, CallNumber.MEMORY_OP, 1, va(LIST))).isOne();
    assertThat(guest.frames().owner(Addresses.mfn(gone))).isEqualTo(-1);
    assertThat(guest.call(0, CallNumber.MEMORY_OP, 1, va(LIST))).as("gone already").isZero();
    reservation(A);
    assertThat(guest.call(0, CallNumber.MEMORY_OP, 6, va(LIST))).isOne();
    long come = guest.load(0, va(B));
    assertThat(guest.frames().owner(Addresses.mfn(come))).isEqualTo(guest.domain.id());
    assertThat(guest.host().machineToPhysical(Addresses.mfn(come))).isEqualTo(A);
    assertThat(guest.remap(0, va(A), come << 12 | WRITABLE)).isZero();
    assertThat(guest.load(0, va(A))).isZero();
  }

  private void reservation(long frame) {
    guest.fill(0, B, frame);
    guest.fill(0, LIST, va(B), 1, 0, Batch.DOMID_SELF);
  }

  // ---- the end ----

  /** Nobody goes on with a call that was preempted: its table ends with the domain. */
  @Test
  void aHalfValidatedTableEndsWithItsDomain() {
    for (int stopAt = 0; stopAt < 6; stopAt++) {
      PvGuest other = host.guest(1, FRAMES);
      for (long page : new long[] {A, B, C}) {
        other.protect(page);
      }
      long slot = other.slot(A, 3);
      assertThat(other.mmuUpdate(LIST, slot, other.entry(B, PRESENT))).isZero();
      assertThat(other.mmuUpdate(LIST, slot + 16, other.entry(C, PRESENT))).isZero();
      int questions = stopAt;
      int[] asked = {0};
      PagingWork hasty = new PagingWork(() -> asked[0]++ >= questions);
      long mfn = other.mfn(A);
      assertThat(other.pv.tables().pin(Addresses.mfn(mfn), 2, hasty)).isEqualTo(Errno.ERESTART);
      assertThat(other.audit()).isEmpty();
      long before = FrameWords.count(other.frames().countWord(Addresses.mfn(mfn)));
      while (other.pv.relinquish() == Errno.ERESTART) {
        assertThat(before).isPositive();
      }
      assertThat(FrameWords.count(other.frames().countWord(Addresses.mfn(mfn))))
          .as("the domain's own reference")
          .isOne();
      assertThat(FrameWords.typeCount(other.frames().typeWord(Addresses.mfn(mfn)))).isZero();
      host.hypervisor.destroy(other.domain);
      assertThat(other.frames().owner(Addresses.mfn(mfn))).isEqualTo(-1);
    }
  }
}
