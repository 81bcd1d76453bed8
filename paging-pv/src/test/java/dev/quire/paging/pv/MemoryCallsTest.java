// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** {@code memory_op}: extents of any order, exchange, and calls that stop between extents. */
class MemoryCallsTest extends OneGuestTest {
  private static final long LIST = 40;
  private static final long IN = 41;
  private static final long OUT = 42;
  private static final long A = 44;
  private static final int INCREASE = 0;
  private static final int DECREASE = 1;
  private static final int POPULATE = 6;
  private static final int EXCHANGE = 11;
  private static final long SELF = Batch.DOMID_SELF;
  private static final long XEN = 0xffff800000000000L;
  private static final int EPERM = -1;
  private static final int ESRCH = -3;
  private static final int ENOMEM = -12;
  private static final int EFAULT = -14;
  private static final int EINVAL = -22;

  private long call(long command) {
    return guest.call(0, CallNumber.MEMORY_OP, command, va(LIST));
  }

  private long reserve(long command, long order, long owner, long... list) {
    guest.fill(0, IN, list);
    guest.fill(0, LIST, va(IN), list.length, order, owner);
    return call(command);
  }

  private int owner(long mfn) {
    return guest.frames().owner(Addresses.mfn(mfn));
  }

  private long[] free(int count) {
    long[] frames = new long[count];
    for (int i = 0; i < count; i++) {
      assertThat(guest.remap(0, va(A + i), 0)).isZero();
      frames[i] = guest.mfn(A + i);
    }
    return frames;
  }

  // ---- extents ----

  @Test
  void extentsOfAnOrderComeInARowAtTheirPlace() {
    assertThat(reserve(POPULATE, 3, SELF, 1000, 2000)).isEqualTo(2);
    for (int extent = 0; extent < 2; extent++) {
      long first = guest.load(0, va(IN, extent));
      assertThat(first % 8).isZero();
      for (int i = 0; i < 8; i++) {
        assertThat(owner(first + i)).isEqualTo(guest.domain.id());
        assertThat(guest.host().machineToPhysical(Addresses.mfn(first + i)))
            .isEqualTo(1000L * (extent + 1) + i);
      }
    }
    long first = guest.load(0, va(IN));
    assertThat(reserve(DECREASE, 3, SELF, first)).isOne();
    assertThat(owner(first + 7)).isEqualTo(FrameTable.NOBODY);
    assertThat(reserve(DECREASE, 3, SELF, first)).as("gone").isZero();
    assertThat(reserve(INCREASE, 9, SELF, 0)).isOne();
    assertThat(guest.load(0, va(IN)) % 512).isZero();
  }

  @Test
  void ordinaryGuestsMayAskForLessInARowThanTheFirst() {
    PvGuest other = host.guest(1, FRAMES);
    for (long order : new long[] {9, 10}) {
      other.fill(0, LIST, 0, 1, order, SELF);
      assertThat(other.call(0, CallNumber.MEMORY_OP, INCREASE, va(LIST)))
          .as("order %d", order)
          .isEqualTo(10 - order);
    }
    assertThat(reserve(INCREASE, 12, SELF, 0)).isOne();
    assertThat(reserve(INCREASE, 13, SELF, 0)).isZero();
    assertThat(guest.refusal()).isEqualTo(PvRule.ARGUMENT);
    assertThat(other.audit()).isEmpty();
  }

  @Test
  void aCallThatStopsBetweenExtentsGoesOnAtTheNext() {
    PvGuest hasty = host.guest(1, FRAMES, GuestPolicy.PLAIN, () -> Patience.of(1));
    hasty.fill(0, IN, 500, 600, 700, 800);
    hasty.fill(0, LIST, va(IN), 4, 1, SELF);
    assertThat(hasty.call(0, CallNumber.MEMORY_OP, POPULATE, va(LIST))).isEqualTo(4);
    assertThat(hasty.pv.vcpu(0).preempted()).isOne();
    for (int i = 0; i < 4; i++) {
      long mfn = hasty.load(0, va(IN, i));
      assertThat(hasty.host().machineToPhysical(Addresses.mfn(mfn + 1)))
          .isEqualTo(500 + 100 * i + 1);
    }
    assertThat(hasty.audit()).isEmpty();
  }

  @Test
  void memoryOfAnotherDomainIsThatOfWhoHasPowerOverIt() {
    PvGuest other = host.guest(1, FRAMES);
    assertThat(reserve(POPULATE, 0, other.domain.id(), 9)).isZero();
    assertThat(guest.refusal()).isEqualTo(PvRule.NOT_PRIVILEGED);
    assertThat(reserve(POPULATE, 0, 77, 9)).isZero();
    assertThat(guest.refusal()).isEqualTo(PvRule.NO_SUCH_DOMAIN);
    PvGuest control = host.guest(1, FRAMES, PvGuest.privileged());
    control.fill(0, IN, 9);
    control.fill(0, LIST, va(IN), 1, 0, other.domain.id());
    assertThat(control.call(0, CallNumber.MEMORY_OP, POPULATE, va(LIST))).isOne();
    long mfn = control.load(0, va(IN));
    assertThat(owner(mfn)).isEqualTo(other.domain.id());
    assertThat(control.call(0, CallNumber.MEMORY_OP, DECREASE, va(LIST))).isOne();
    assertThat(owner(mfn)).isEqualTo(FrameTable.NOBODY);
    assertThat(control.audit()).isEmpty();
  }

  // ---- exchange ----

  private long exchange(long[] in, long inOrder, long[] out, long outOrder) {
    guest.fill(0, IN, in);
    guest.fill(0, OUT, out);
    return exchange(va(IN), in.length, inOrder, va(OUT), out.length, outOrder, SELF);
  }

  private long exchange(
      long in, long goes, long inOrder, long out, long comes, long outOrder, long owner) {
    guest.fill(0, LIST, in, goes, inOrder, owner, out, comes, outOrder, owner, 0);
    return call(EXCHANGE);
  }

  private long done() {
    return guest.load(0, va(LIST, 8));
  }

  @Test
  void singleFramesBecomeOnesInARow() {
    long[] going = free(8);
    assertThat(exchange(going, 0, new long[] {A, A + 4}, 2)).isZero();
    assertThat(done()).isEqualTo(8);
    for (int extent = 0; extent < 2; extent++) {
      long first = guest.load(0, va(OUT, extent));
      assertThat(first % 4).isZero();
      for (int i = 0; i < 4; i++) {
        long page = A + 4 * extent + i;
        assertThat(guest.host().machineToPhysical(Addresses.mfn(first + i))).isEqualTo(page);
        assertThat(guest.remap(0, va(page), first + i << 12 | WRITABLE)).isZero();
        assertThat(guest.store(0, va(page), 5)).isEqualTo(RunResult.DONE);
      }
    }
    assertThat(owner(going[3])).isEqualTo(FrameTable.NOBODY);
  }

  @Test
  void onesInARowBecomeSingleFrames() {
    assertThat(reserve(POPULATE, 2, SELF, 100)).isOne();
    long first = guest.load(0, va(IN));
    assertThat(exchange(new long[] {first}, 2, new long[] {1, 2, 3, 4}, 0)).isZero();
    assertThat(done()).isOne();
    assertThat(owner(first)).isEqualTo(FrameTable.NOBODY);
    for (int i = 0; i < 4; i++) {
      assertThat(guest.host().machineToPhysical(Addresses.mfn(guest.load(0, va(OUT, i)))))
          .isEqualTo(i + 1);
    }
  }

  @Test
  void aChunkThatCannotBeTakenWholeStays() {
    long[] going = free(4);
    going[3] = guest.mfn(A + 4); // mapped
    long[] out = {1, 2};
    assertThat(exchange(going, 0, out, 1)).isEqualTo(EINVAL);
    assertThat(guest.refusal()).isEqualTo(PvRule.REFERRED_TO);
    assertThat(done()).as("the first chunk").isEqualTo(2);
    assertThat(owner(going[0])).isEqualTo(FrameTable.NOBODY);
    assertThat(owner(going[2])).as("of the second").isEqualTo(guest.domain.id());
    assertThat(owner(going[3])).isEqualTo(guest.domain.id());
  }

  @Test
  void whenMemoryRunsOutEverythingStays() {
    for (int order = 9; order > 0; order -= reserve(INCREASE, order, SELF, 0) == 1 ? 0 : 1) {
      assertThat(guest.domain.crashReason()).isNull();
    }
    long[] going = free(4);
    assertThat(exchange(going, 0, new long[] {1, 2}, 1)).isEqualTo(ENOMEM);
    assertThat(done()).isZero();
    for (long mfn : going) {
      assertThat(owner(mfn)).isEqualTo(guest.domain.id());
    }
  }

  @Test
  void exchangeRefusesByRule() {
    long list = va(IN);
    assertThat(exchange(list, 1, 13, list, 1, 13, SELF)).isEqualTo(EPERM);
    assertThat(exchange(list, 4, 0, list, 1, 1, SELF)).as("sizes differ").isEqualTo(EINVAL);
    assertThat(exchange(list, 1L << 60, 4, list, 1L << 60, 4, SELF)).isEqualTo(EINVAL);
    assertThat(exchange(list, 1, 0, list, 1, 0, 55)).isEqualTo(ESRCH);
    PvGuest other = host.guest(1, FRAMES);
    assertThat(exchange(list, 1, 0, list, 1, 0, other.domain.id())).isEqualTo(EPERM);
    guest.fill(0, LIST, list, 1, 0, SELF, list, 1, 0, other.domain.id(), 0);
    assertThat(call(EXCHANGE)).as("of different domains").isEqualTo(EINVAL);
    guest.fill(0, LIST, list, 1, 0, SELF, list, 1, 0, SELF, 2);
    assertThat(call(EXCHANGE)).as("more done than there are").isEqualTo(EINVAL);
    assertThat(call(EXCHANGE | 1 << 6)).isEqualTo(EINVAL);
    assertThat(guest.call(0, CallNumber.MEMORY_OP, EXCHANGE, XEN)).isEqualTo(EFAULT);
    assertThat(exchange(new long[] {1L << 50}, 0, new long[] {1}, 0)).isEqualTo(EINVAL);
  }

  @Test
  void anExchangeThatStopsGoesOnByTheCountInItsArgument() {
    PvGuest hasty = host.guest(1, FRAMES, GuestPolicy.PLAIN, () -> Patience.of(0));
    long[] going = new long[6];
    for (int i = 0; i < 6; i++) {
      assertThat(hasty.remap(0, va(A + i), 0)).isZero();
      going[i] = hasty.mfn(A + i);
    }
    hasty.fill(0, IN, going);
    hasty.fill(0, OUT, 1, 2, 3, 4, 5, 6);
    hasty.fill(0, LIST, va(IN), 6, 0, SELF, va(OUT), 3, 1, SELF, 0);
    assertThat(hasty.call(0, CallNumber.MEMORY_OP, EXCHANGE, va(LIST))).isZero();
    assertThat(hasty.pv.vcpu(0).preempted()).isEqualTo(2);
    assertThat(hasty.load(0, va(LIST, 8))).isEqualTo(6);
    assertThat(Arrays.stream(going).mapToInt(this::owner)).containsOnly(FrameTable.NOBODY);
    assertThat(hasty.audit()).isEmpty();
  }

  // ---- advisories ----

  @Test
  void xsa029andXsa212exchangeWritesNothingIntoTheHypervisor() {
    long[] going = free(1);
    long before = guest.load(0, Addresses.gva(XEN + going[0] * 8));
    guest.fill(0, IN, going);
    long overflow = (XEN - va(OUT) >>> 3) + going[0]; // so many from the list on is the M2P
    guest.fill(0, LIST, va(IN), overflow + 1, 0, SELF, va(OUT), overflow + 1, 0, SELF, overflow);
    assertThat(call(EXCHANGE)).isEqualTo(EFAULT);
    assertThat(exchange(va(IN), 1, 0, XEN + going[0] * 8, 1, 0, SELF)).isEqualTo(EFAULT);
    assertThat(guest.load(0, Addresses.gva(XEN + going[0] * 8))).isEqualTo(before);
    assertThat(owner(going[0])).isEqualTo(guest.domain.id());
  }

  @Test
  void aFrameThatWasFreedIsReachedByNoStaleTranslation() {
    PvGuest other = host.guest(2, FRAMES);
    for (int vcpu = 0; vcpu < 2; vcpu++) {
      assertThat(other.store(vcpu, va(A), 7)).isEqualTo(RunResult.DONE);
    }
    long mfn = other.mfn(A);
    assertThat(other.call(0, CallNumber.UPDATE_VA_MAPPING, va(A), 0, 0)).isZero();
    other.fill(0, IN, mfn);
    other.fill(0, LIST, va(IN), 1, 0, SELF);
    assertThat(other.store(1, va(A), 7)).as("its own still").isEqualTo(RunResult.DONE);
    assertThat(other.call(0, CallNumber.MEMORY_OP, DECREASE, va(LIST))).isOne();
    while (owner(mfn) != guest.domain.id()) {
      assertThat(reserve(INCREASE, 0, SELF, 0)).isOne();
    }
    assertThat(other.store(0, va(A), 8)).isEqualTo(RunResult.FAULT);
    assertThat(other.store(1, va(A), 8)).isEqualTo(RunResult.FAULT);
    host.hypervisor.destroy(other.domain);
  }
}
