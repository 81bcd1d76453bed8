// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.PageEntry;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import dev.quire.paging.shadow.ShadowBackend;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Advisories on PV guests that run on shadows of their tables, by number. */
class ShadowAdvisoriesTest extends OneGuestTest {
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;
  private static final long C = 43;
  private static final int SHIFT = 12;

  @Override
  PagingBackend backend() {
    return new ShadowBackend();
  }

  /** The guest's own table of a level that maps most of it; bootstrap tables are few. */
  private long bootSlot(int level) {
    return va(0) >>> SHIFT + 9 * (level - 1) & 511;
  }

  @Test
  void xsa064theHypervisorsSlotsLeadToTheSame() {
    @Gva long m2p = Addresses.gva(0xffff800000000000L + guest.mfn(A) * 8);
    assertThat(guest.load(0, m2p)).isEqualTo(A);
    assertThat(guest.load(1, m2p)).isEqualTo(A);
    guest.copyRoot(B, LIST);
    assertThat(guest.extended(LIST, 5, guest.mfn(B))).isZero();
    assertThat(guest.load(0, m2p)).as("by a root that is new").isEqualTo(A);
    assertThat(guest.store(0, m2p, 0)).isEqualTo(RunResult.FAULT);
    assertThat(guest.extended(LIST, 5, guest.mfn(guest.bootTable(4)))).isZero();
    assertThat(guest.unpin(LIST, B)).isZero();
  }

  @Test
  void xsa248framesOfShadowsCannotBeMapped() {
    guest.load(0, va(A));
    long root = guest.vcpu(0).control().registers().cr3 >>> SHIFT;
    for (long mfn = root; mfn > root - 8; mfn--) {
      assertThat(guest.remap(0, va(A), mfn << SHIFT | PRESENT)).isIn(-16L, -22L);
    }
  }

  @Test
  void xsa251aFrameThatClaimsToBeSharedIsNotLogged() {
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    for (long name : new long[] {-2, -1, 1L << 52, Long.MAX_VALUE}) {
      assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << SHIFT | 1, name)).isZero();
      assertThat(guest.domain.logDirty().clean(new long[1], FRAMES)).isEqualTo(Errno.OK);
      assertThat(guest.store(0, va(A), 1)).isEqualTo(RunResult.DONE);
    }
    assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << SHIFT | 1, A)).isZero();
    assertThat(guest.domain.logDirty().audit()).isEmpty();
  }

  @Test
  void xsa273theHardwareHasNoEntryThatIsAbsentAndNamesMemory() {
    PvGuest exposed = vulnerable();
    assertThat(exposed.remap(0, va(A), exposed.entry(B, 0))).isZero();
    exposed.load(0, va(B));
    assertThat(exposed.pv.vcpu(0).level1Entry(va(A))).isEqualTo(exposed.entry(B, 0));
    assertThat(inHardware(exposed, va(A))).isZero();
    assertThat(inHardware(exposed, va(B)) & PageEntry.P).isNotZero();
  }

  private PvGuest vulnerable() {
    PvHost direct = new PvHost();
    PagingBackend shadow = new ShadowBackend();
    return direct.guest(
        2,
        FRAMES,
        new GuestPolicy() {
          @Override
          public PagingBackend mitigation() {
            return shadow;
          }
        });
  }

  /** The level-1 entry that the hardware walks to. */
  private static long inHardware(PvGuest of, @Gva long linear) {
    PhysicalMemory memory = of.domain.machine().memory();
    long entry = of.vcpu(0).control().registers().cr3 | PageEntry.P;
    for (int level = 4; level > 0 && (entry & PageEntry.P) != 0; level--) {
      long table = entry & PageEntry.FRAME;
      long index = linear >>> SHIFT + 9 * (level - 1) & 511;
      entry = memory.load(Addresses.maddr(table | index << 3), Long.BYTES);
    }
    return entry;
  }

  @Test
  void xsa280linearTablesOutliveTheirShadows() {
    PvGuest exposed = vulnerable();
    exposed.copyRoot(A, LIST);
    exposed.copyRoot(B, LIST);
    assertThat(exposed.mmuUpdate(LIST, exposed.slot(A, 300), exposed.entry(A, PRESENT))).isZero();
    assertThat(exposed.mmuUpdate(LIST, exposed.slot(A, 301), exposed.entry(B, PRESENT))).isZero();
    assertThat(exposed.remap(0, va(C), exposed.entry(C, 0))).isZero();
    assertThat(exposed.domain.backend()).isEqualTo("shadow");
    assertThat(exposed.extended(LIST, 5, exposed.mfn(A))).isZero();
    @Gva long own = Addresses.gva(linear(300, 300, 300, 300, 300));
    assertThat(exposed.load(0, own) & PageEntry.FRAME).isEqualTo(exposed.mfn(A) << SHIFT);
    @Gva long other = Addresses.gva(linear(301, 300, 300, 300, 300));
    assertThat(exposed.access(0, other, false, false)).as("B has none").isEqualTo(RunResult.FAULT);
    assertThat(exposed.domain.paging().audit()).isEmpty();
    assertThat(exposed.extended(LIST, 5, exposed.mfn(exposed.bootTable(4)))).isZero();
    assertThat(exposed.unpin(LIST, B)).isZero();
    assertThat(exposed.type(B)).as("A contains it").isEqualTo(FrameType.L4);
    assertThat(exposed.mmuUpdate(LIST, exposed.slot(A, 301), 0)).isZero();
    assertThat(exposed.unpin(LIST, A)).isZero();
    assertThat(exposed.typeCount(A) + exposed.typeCount(B)).isZero();
    assertThat(exposed.audit()).isEmpty();
    assertThat(exposed.domain.paging().audit()).isEmpty();
  }

  /** An address by its slots, from the root down, and the quadword in the page. */
  private static long linear(long... slots) {
    long address = -1;
    for (int i = 0; i < 4; i++) {
      address = address << 9 | slots[i];
    }
    return address << SHIFT | slots[4] << 3;
  }

  @Test
  void xsa294aProgramSeesNothingOfTheKernelsRootAfterItsShadowsAreBlown() {
    guest.copyRoot(A, LIST);
    assertThat(guest.mmuUpdate(LIST, guest.slot(A, bootSlot(4)), 0)).isZero();
    assertThat(guest.extended(LIST, 15, guest.mfn(A))).isZero();
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    guest.fill(0, B, 0x1234, 0, 0, 0, 0, 0xe033, 0, 0, 0xe02b);
    for (int round = 0; round < 3; round++) {
      guest.load(0, va(C));
      assertThat(guest.domain.logDirty().clean(new long[1], FRAMES)).isEqualTo(Errno.OK);
      assertThat(guest.call(0, CallNumber.IRET, va(B))).isEqualTo(0x1234);
      assertThat(guest.access(0, va(C), false, true)).isEqualTo(RunResult.FAULT);
      assertThat(guest.access(0, va(C), false, false))
          .as("in the kernel")
          .isEqualTo(RunResult.DONE);
    }
    assertThat(guest.extended(LIST, 15, 0)).isZero();
    assertThat(guest.unpin(LIST, A)).isZero();
  }

  @Test
  void xsa408aFrameThatBecomesATableIsWrittenByNoStaleTranslation() {
    assertThat(guest.store(1, va(A), 0)).isEqualTo(RunResult.DONE);
    assertThat(guest.remap(0, va(A), guest.entry(A, PRESENT))).isZero();
    assertThat(guest.pin(LIST, A, 1)).isZero();
    assertThat(guest.store(1, va(A), 1)).isEqualTo(RunResult.FAULT);
    assertThat(guest.unpin(LIST, A)).isZero();
    guest.unprotect(A);
  }

  /** With as few frames as shadows and the log can be with. */
  @Test
  void xsa427theLogsTablesAndShadowsShareAPoolThatIsFull() {
    PvGuest small =
        host.guest(
            PvGuest.spec(2, FRAMES).withPool(23),
            GuestPolicy.PLAIN,
            () -> Patience.of(4096),
            UnaryOperator.identity());
    assertThat(small.domain.logDirty().enable()).isEqualTo(Errno.OK);
    small.copyRoot(A, LIST);
    for (int round = 0; round < 4; round++) {
      for (long gfn = LIST; gfn < FRAMES; gfn++) {
        RunResult wanted = gfn == A ? RunResult.FAULT : RunResult.DONE;
        assertThat(small.store(round & 1, va(gfn), gfn)).isEqualTo(wanted);
      }
      assertThat(small.extended(LIST, 5, small.mfn(round % 2 == 0 ? A : small.bootTable(4))))
          .isZero();
      assertThat(small.domain.paging().audit()).isEmpty();
      assertThat(small.domain.logDirty().clean(new long[1], FRAMES)).isEqualTo(Errno.OK);
    }
    assertThat(small.audit()).isEmpty();
  }
}
