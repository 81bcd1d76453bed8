// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.GrantFlags.CONTAINS_PTE;
import static dev.quire.paging.pv.GrantFlags.DEVICE;
import static dev.quire.paging.pv.GrantFlags.HOST;
import static dev.quire.paging.pv.GrantFlags.READ_ONLY;
import static dev.quire.paging.pv.GrantPair.ACCEPT;
import static dev.quire.paging.pv.GrantPair.LIST;
import static dev.quire.paging.pv.GrantPair.PERMIT;
import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import java.util.BitSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Security advisories on grants and on frames that change hands, each by its number. Where a defect
 * is given, the same check is made with it, and must find it.
 */
class GrantAdvisoriesTest {
  private static final long A = 44;
  private static final long B = 45;
  private static final int REF = 3;

  private static GrantPair fixed() {
    return GrantPair.on(new PvHost());
  }

  private static void holds(GrantPair pair, Consumer<GrantPair> check) {
    check.accept(pair);
    assertThat(pair.granter.audit()).isEmpty();
  }

  private static void findsTheDefect(GrantPair broken, Consumer<GrantPair> check) {
    holds(fixed(), check);
    assertThatThrownBy(() -> holds(broken, check))
        .as("the defect")
        .isInstanceOfAny(AssertionError.class, IllegalStateException.class);
  }

  private static GrantPair with(GrantRules rules) {
    PvHost host = new PvHost();
    return new GrantPair(host.guest(2, 64), host.guest(rules));
  }

  private static GrantPair with(Seam.Defect defect) {
    PvHost host = new PvHost();
    PvGuest granter = host.guest(2, 64);
    PvGuest mapper =
        host.guest(
            DomainSpec.hvm(2, 64),
            GuestPolicy.PLAIN,
            () -> Patience.of(4096),
            real -> {
              FrameTable frames = Seam.between(FrameTable.class, real.frames(), defect);
              return Seam.between(
                  dev.quire.api.domain.DomainHost.class,
                  real,
                  (method, arguments, call) -> method.equals("frames") ? frames : call.call());
            });
    return new GrantPair(granter, mapper);
  }

  @Test
  void xsa218andXsa228noHandleIsTwoMappings() throws InterruptedException {
    Maptrack maptrack = new Maptrack();
    int each = 20_000;
    int[][] taken = new int[2][each];
    Thread[] threads = new Thread[2];
    for (int number = 0; number < 2; number++) {
      int[] mine = taken[number];
      threads[number] =
          new Thread(
              () -> {
                for (int i = 0; i < each; i++) {
                  maptrack.drop(maptrack.take());
                  mine[i] = maptrack.take();
                }
              });
      threads[number].start();
    }
    BitSet seen = new BitSet();
    for (int number = 0; number < 2; number++) {
      threads[number].join();
      for (int handle : taken[number]) {
        assertThat(seen.get(handle)).as("handle %d twice", handle).isFalse();
        seen.set(handle);
      }
    }
  }

  @Test
  void xsa224andXsa394whateverIsMappedAndInWhateverOrderItEndsTheCountsAreThoseBefore() {
    holds(
        fixed(),
        pair -> {
          pair.grantPage(REF, A, PERMIT);
          long address = pair.granter.mfn(A) << 12;
          for (int flags = 1; flags < 8; flags++) {
            for (int order = 0; order < 4; order++) {
              long handle = pair.map(va(B), flags, REF);
              if ((flags & (HOST | DEVICE)) == 0) {
                assertThat(handle).isEqualTo(-3);
                continue;
              }
              assertThat(handle).isNotNegative();
              long held = Integer.bitCount(flags & (HOST | DEVICE));
              assertThat(pair.granter.count(A)).isEqualTo(2 + held);
              for (int step = 0; step < 3; step++) {
                boolean host = order == 2 || (order + step) % 2 == 0;
                boolean device = order == 2 || !host;
                pair.unmap(host ? va(B) : 0, device ? address : 0, handle);
              }
              pair.nothingIsLeft(REF, A);
            }
          }
        });
  }

  @Test
  void xsa224aReferenceThatIsNotGivenBackIsFound() {
    boolean[] armed = {false};
    Consumer<GrantPair> check =
        pair -> {
          pair.grantPage(REF, A, PERMIT);
          long handle = pair.map(va(B), HOST | DEVICE, REF);
          armed[0] = true;
          pair.unmap(va(B), pair.granter.mfn(A) << 12, handle);
          armed[0] = false;
          pair.nothingIsLeft(REF, A);
        };
    boolean[] once = {true};
    findsTheDefect(
        with(
            (method, arguments, call) -> {
              if (armed[0] && once[0] && method.equals("putType")) {
                once[0] = false;
                return Errno.OK;
              }
              return call.call();
            }),
        check);
  }

  @Test
  void xsa227anEntryBetweenTwoEntriesIsNone() {
    findsTheDefect(
        with(new GrantRules(GrantRules.XEN.compared(), 0)),
        pair -> {
          pair.grantPage(REF, A, PERMIT);
          long slot = pair.mapper.slot(pair.mapper.bootTable(1), B);
          long below = pair.mapper.load(0, va(pair.mapper.bootTable(1), B));
          for (int off = 1; off < 8; off++) {
            assertThat(pair.map(slot + off, HOST | CONTAINS_PTE, REF)).isEqualTo(-1);
          }
          assertThat(pair.mapper.load(0, va(pair.mapper.bootTable(1), B))).isEqualTo(below);
          pair.nothingIsLeft(REF, A);
        });
  }

  /**
   * Something else may have taken the place of a grant's entry, even a mapping of the same frame.
   */
  @Test
  void xsa234anEntryThatWasChangedIsNotUnmappedAsItWas() {
    Consumer<GrantPair> check =
        pair -> {
          pair.grantPage(REF, A, PERMIT);
          long handle = pair.map(va(B), HOST | READ_ONLY, REF);
          long writable = pair.map(va(B), HOST, REF);
          assertThat(writable).isNotNegative();
          assertThat(pair.granter.count(A)).isEqualTo(3);
          assertThat(pair.unmap(va(B), 0, handle)).as("read-only no more").isEqualTo(-1);
          pair.granter.protect(A);
          assertThat(pair.granter.pin(LIST, A, 1)).as("mapped writable").isEqualTo(-22);
          assertThat(pair.replace(va(B), va(B + 1), handle)).isEqualTo(-1);
          assertThat(pair.mapper.count(B + 1)).as("was moved away, and went").isOne();
          assertThat(pair.unmap(va(B), 0, writable)).isZero();
          assertThat(pair.granter.pin(LIST, A, 1)).isZero();
        };
    findsTheDefect(with(new GrantRules(0, 7)), check);
  }

  @Test
  void xsa295aRefusedMappingHasANegativeStatusAndNoReference() {
    holds(
        fixed(),
        pair -> {
          pair.grantPage(REF, A, PERMIT);
          pair.granter.protect(A);
          assertThat(pair.granter.pin(LIST, A, 1)).isZero();
          assertThat(pair.map(va(B), HOST, REF)).isEqualTo(-1);
          assertThat(pair.granter.unpin(LIST, A)).isZero();
          pair.granter.unprotect(A);
          pair.nothingIsLeft(REF, A);
        });
  }

  @Test
  void xsa380aCallOfAnyLengthStops() {
    PvHost host = new PvHost();
    PvGuest mapper = host.guest(1, 64, GuestPolicy.PLAIN, () -> Patience.of(3));
    GrantPair pair = new GrantPair(host.guest(1, 64), mapper);
    int operations = 100;
    for (int word = 0; word < 4 * operations; word++) {
      mapper.store(0, va(B, word), word % 4 == 1 ? READ_ONLY : 0);
    }
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, 0, va(B), operations)).isZero();
    assertThat(mapper.pv.vcpu(0).preempted()).isGreaterThan(20);
    assertThat(pair.granter.audit()).isEmpty();
  }

  // ---- frames that change hands ----

  @Test
  void xsa214aTransferredFrameOfDescriptorsIsCheckedAgain() {
    holds(
        fixed(),
        pair -> {
          PvGuest giver = pair.mapper;
          long mfn = giver.mfn(A);
          giver.protect(A);
          giver.fill(0, B, mfn);
          assertThat(giver.call(0, CallNumber.SET_GDT, va(B), 8)).isZero();
          assertThat(giver.call(0, CallNumber.SET_GDT, va(B), 0)).isZero();
          assertThat(giver.type(A)).isEqualTo(FrameType.SEG_DESC);
          assertThat(giver.remap(0, va(A), 0)).isZero();
          pair.grant(REF, 0, ACCEPT, giver.domain.id());
          assertThat(pair.transfer(mfn, pair.granter.domain.id(), REF)).isZero();
          long type = pair.granter.frames().typeWord(Addresses.mfn(mfn));
          assertThat(type & FrameWords.VALIDATED).isZero();
        });
  }

  @Test
  void xsa287aFrameThatSomebodyHoldsIsNotStolen() {
    Consumer<GrantPair> check =
        pair -> {
          PvGuest giver = pair.mapper;
          long mfn = giver.mfn(A);
          assertThat(giver.remap(0, va(A), giver.entry(A, PRESENT))).isZero();
          pair.grant(REF, 0, ACCEPT, giver.domain.id());
          assertThat(pair.transfer(mfn, pair.granter.domain.id(), REF)).isEqualTo(-9);
          assertThat(giver.access(0, va(A), false, false)).isEqualTo(RunResult.DONE);
          assertThat(giver.frames().owner(Addresses.mfn(mfn))).isEqualTo(giver.domain.id());
        };
    FrameTable[] real = new FrameTable[1];
    GrantPair broken =
        with(
            (method, arguments, call) -> {
              if (!method.equals("steal")) {
                return call.call();
              }
              @Mfn long mfn = Addresses.mfn((Long) arguments[0]);
              real[0].declare(mfn, 0, 0);
              return Errno.OK;
            });
    real[0] = broken.granter.frames();
    findsTheDefect(broken, check);
  }

  /** The frame has no owner while it is nobody's to have: nobody gets hold of it in between. */
  @Test
  void xsa287aStolenFrameCannotBeHadByAnybody() {
    PvWorld world = PvWorld.of(4);
    @Mfn long mfn = Addresses.mfn(2);
    assertThat(world.frames.steal(mfn, PvWorld.OTHER)).isEqualTo(Errno.EINVAL);
    assertThat(world.frames.steal(mfn, PvWorld.GUEST)).isEqualTo(Errno.OK);
    assertThat(world.frames.get(mfn, PvWorld.GUEST)).isFalse();
    assertThat(world.frames.getFromOwner(mfn)).isEqualTo(FrameTable.NOBODY);
    assertThat(world.frames.steal(mfn, PvWorld.GUEST)).isEqualTo(Errno.EINVAL);
    world.frames.assign(mfn, PvWorld.OTHER, FrameWords.ALLOCATED);
    assertThat(world.frames.get(mfn, PvWorld.OTHER)).isTrue();
    assertThat(world.frames.steal(mfn, PvWorld.OTHER)).isEqualTo(Errno.EINVAL);
    assertThat(world.count(2)).isEqualTo(2);
  }

  @Test
  void xsa159anExchangeOfADomainThatCannotHaveMoreLeavesItWhole() {
    holds(
        fixed(),
        pair -> {
          PvGuest guest = pair.mapper;
          assertThat(guest.remap(0, va(A), 0)).isZero();
          guest.fill(0, B, guest.mfn(A), guest.mfn(B));
          guest.fill(0, LIST, va(B), 2, 0, Batch.DOMID_SELF, va(B), 1, 1, Batch.DOMID_SELF, 0);
          assertThat(guest.call(0, CallNumber.MEMORY_OP, 11, va(LIST))).isEqualTo(-22);
          assertThat(guest.count(A)).isOne();
          assertThat(guest.frames().owner(Addresses.mfn(guest.mfn(A))))
              .isEqualTo(guest.domain.id());
        });
  }
}
