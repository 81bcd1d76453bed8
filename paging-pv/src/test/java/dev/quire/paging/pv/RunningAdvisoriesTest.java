// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Security advisories on hypercalls, roots and flushes, each by its number, on guests that run.
 * Where a defect is given, the same check is made with it, and must find it.
 */
class RunningAdvisoriesTest {
  private static final int FRAMES = 64;
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;
  private static final long C = 43;
  private static final int EINVAL = -22;
  private static final int FIRST_SLOT = 0;

  private static void holds(PvGuest guest, Consumer<PvGuest> check) {
    check.accept(guest);
    assertThat(guest.audit()).isEmpty();
  }

  private static PvGuest fixed() {
    return new PvHost().guest(2, FRAMES);
  }

  /** The check on a sound machine, and on one whose CPUs ignore some requests. */
  private static void needs(Set<String> ignored, Consumer<PvGuest> check) {
    holds(fixed(), check);
    Set<String> later = new HashSet<>();
    PvGuest deaf = new PvHost(later).guest(2, FRAMES);
    later.addAll(ignored);
    assertThatThrownBy(() -> holds(deaf, check)).as("deaf").isInstanceOf(AssertionError.class);
  }

  /** The check on a sound host, and on one of whose frame table one method does something else. */
  private static void needs(Seam.Defect defect, Consumer<PvGuest> check) {
    holds(fixed(), check);
    PvGuest broken =
        new PvHost()
            .guest(
                DomainSpec.hvm(2, FRAMES),
                GuestPolicy.PLAIN,
                () -> Patience.of(4096),
                host -> with(host, defect));
    assertThatThrownBy(() -> holds(broken, check))
        .as("the defect")
        .isInstanceOfAny(AssertionError.class, IllegalStateException.class);
  }

  private static DomainHost with(DomainHost host, Seam.Defect defect) {
    FrameTable frames = Seam.between(FrameTable.class, host.frames(), defect);
    return Seam.between(
        DomainHost.class,
        host,
        (method, arguments, call) -> method.equals("frames") ? frames : call.call());
  }

  // ---- flushes ----

  @Test
  void aFrameThatBecomesATableIsWritableThroughNoTlb() {
    needs(
        Set.of("flush", "requestFlush"),
        guest -> {
          assertThat(guest.store(1, va(A), 0)).isEqualTo(RunResult.DONE); // CPU 1 caches it
          guest.protect(A); // CPU 0 alone forgets
          assertThat(guest.store(1, va(A), 0)).as("not flushed yet").isEqualTo(RunResult.DONE);
          assertThat(guest.pin(LIST, A, 1)).isZero();
          assertThat(guest.store(1, va(A), WRITABLE | guest.entry(A, 0)))
              .as("a store into a live table")
              .isEqualTo(RunResult.FAULT);
        });
  }

  @Test
  void flushesThatWereMadeSinceAreNotMadeAgain() {
    int[] flushes = {0};
    PvHost host = new PvHost();
    PvGuest guest = host.guest(2, FRAMES);
    guest.protect(A);
    assertThat(guest.extended(0, LIST, 10, 0, 0)).isZero(); // everybody flushes
    guest.store(1, va(B), 0);
    long misses = walks(host);
    assertThat(guest.pin(LIST, A, 1)).isZero();
    guest.load(1, va(B));
    assertThat(walks(host) - misses).as("CPU 1 keeps what it holds").isLessThan(20 + flushes[0]);
    assertThat(guest.audit()).isEmpty();
  }

  private static long walks(PvHost host) {
    return host.machine.cpu(1).counters().references();
  }

  @Test
  void xsa286linearMappingsDoNotOutliveTheTablesTheyLedThrough() {
    needs(
        Set.of("flush", "requestFlush"),
        guest -> {
          long root = guest.bootTable(4);
          assertThat(
                  guest.mmuUpdate(LIST, guest.slot(root, FIRST_SLOT), guest.entry(root, PRESENT)))
              .as("the root maps itself")
              .isZero();
          table(guest, B, 0xb000);
          table(guest, C, 0xc000);
          guest.protect(A);
          long up = guest.slot(root, 1);
          assertThat(guest.pin(LIST, A, 3)).isZero();
          assertThat(guest.mmuUpdate(LIST, up, guest.entry(A, WRITABLE))).isZero();
          long slot = guest.slot(A, 0);
          assertThat(guest.mmuUpdate(LIST, slot, guest.entry(B, WRITABLE))).isZero();
          @Gva long linear = Addresses.gva(linearOf(1L << 39));
          assertThat(guest.load(0, linear)).isEqualTo(0xb000);
          assertThat(guest.mmuUpdate(LIST, slot, guest.entry(C, WRITABLE))).isZero();
          assertThat(guest.load(0, linear)).isEqualTo(0xc000);
        });
  }

  /** Where slot 0 of a root that maps itself shows the level-2 table behind an address. */
  private static long linearOf(long address) {
    return address >>> 30 << 12;
  }

  /** A level-2 table whose first entry is not present and tells which it is. */
  private static void table(PvGuest guest, long page, long mark) {
    guest.store(0, va(page), mark);
    guest.protect(page);
    assertThat(guest.pin(LIST, page, 2)).isZero();
  }

  @Test
  void xsa292andXsa294nothingOfOneRootIsUsedUnderTheOther() {
    needs(
        Set.of("flushTag", "invvpidContextNonGlobal"),
        guest -> {
          guest.copyRoot(A, LIST);
          assertThat(guest.extended(LIST, 15, guest.mfn(A))).isZero();
          guest.fill(0, B, 0, 0, 0, 0, 0, 0xe033, 0, 0, 0xe02b);
          for (int slot = 272; slot < 512; slot++) { // the user's root has no kernel in it
            assertThat(guest.mmuUpdate(LIST, guest.slot(A, slot), 0)).isZero();
          }
          guest.load(0, va(C));
          guest.call(0, CallNumber.IRET, va(B));
          assertThat(guest.access(0, va(C), false, true)).isEqualTo(RunResult.FAULT);
        });
  }

  @Test
  void xsa279whatIsRefusedFlushesNothing() {
    holds(
        fixed(),
        guest -> {
          @Gva long wild = Addresses.gva(0x8000_0000_0000L);
          assertThat(guest.call(0, CallNumber.UPDATE_VA_MAPPING, wild, 0, 2)).isEqualTo(EINVAL);
          assertThat(guest.call(0, CallNumber.UPDATE_VA_MAPPING, wild, 0, 2 | 4)).isEqualTo(EINVAL);
          assertThat(guest.extended(LIST, 7, wild)).as("as INVLPG").isZero();
        });
  }

  // ---- calls ----

  @Test
  void xsa029andXsa212pointersIntoTheHypervisorLeadNowhere() {
    holds(
        fixed(),
        guest -> {
          long xen = 0xffff800000000000L;
          assertThat(guest.call(0, CallNumber.MMU_UPDATE, xen, 1, 0, Batch.DOMID_SELF))
              .isEqualTo(-14);
          // a list that begins in the guest's part and leaves it
          long end = 0x7ffffffffff8L;
          assertThat(guest.call(0, CallNumber.MMUEXT_OP, end, 1, 0, Batch.DOMID_SELF))
              .isEqualTo(-14);
          guest.fill(0, LIST, xen, 1, 0, Batch.DOMID_SELF);
          long before = guest.load(0, Addresses.gva(xen + guest.mfn(A) * 8));
          assertThat(guest.call(0, CallNumber.MEMORY_OP, 0, va(LIST))).as("none told").isZero();
          assertThat(guest.load(0, Addresses.gva(xen + guest.mfn(A) * 8))).isEqualTo(before);
        });
  }

  @Test
  void xsa031andXsa158ordersAreBounded() {
    holds(
        fixed(),
        guest -> {
          for (long order : new long[] {13, 20, 63, 0xffffffffL}) {
            guest.fill(0, LIST, va(B), 1, order, Batch.DOMID_SELF);
            assertThat(guest.call(0, CallNumber.MEMORY_OP, 0, va(LIST))).as("none done").isZero();
            assertThat(guest.refusal()).isEqualTo(PvRule.ARGUMENT);
          }
          guest.fill(0, LIST, va(B), -1, 0, Batch.DOMID_SELF);
          assertThat(guest.call(0, CallNumber.MEMORY_OP, 0, va(LIST))).isZero();
        });
  }

  @Test
  void xsa109tablesOfGuestsOfAnotherKindAreNotChanged() {
    PvHost host = new PvHost();
    PvGuest control = host.guest(1, FRAMES, PvGuest.privileged());
    DomainSpec spec = DomainSpec.hvm(1, 8).withPlacement(DomainSpec.Placement.IDENTITY);
    int other = hvm(host, spec);
    long foreign = other + 1L << 16 | Batch.DOMID_SELF;
    assertThat(control.mmuUpdate(0, LIST, foreign, control.slot(A, 0), 0)).isEqualTo(-95);
    assertThat(control.refusal()).isEqualTo(PvRule.NOT_PV);
    assertThat(control.extended(0, LIST, other, new long[] {0, 1, 0})).isEqualTo(EINVAL);
  }

  private static int hvm(PvHost host, DomainSpec spec) {
    long first = 0x3000; // behind what the PV guest was given
    DomainSpec there =
        new DomainSpec(
            1,
            java.util.List.of(new dev.quire.api.hw.MachineSpec.Ram(first << 12, 8 << 12)),
            spec.placement(),
            0,
            0,
            1);
    return host.hypervisor.createDomain(new NativeBackend(), there).id();
  }

  @Test
  void xsa113arefusalOfTheMachineToPhysicalUpdateKeepsNoReference() {
    boolean[] armed = {false};
    Consumer<PvGuest> check =
        guest -> {
          long before = guest.count(A);
          armed[0] = true;
          for (int i = 0; i < 3; i++) {
            guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, 5);
          }
          armed[0] = false;
          assertThat(guest.count(A)).isEqualTo(before);
          guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, A);
        };
    needs(
        (method, arguments, call) -> armed[0] && method.equals("put") ? null : call.call(), check);
  }

  @Test
  void xsa167superpageMarksAreGone() {
    holds(
        fixed(),
        guest -> {
          assertThat(guest.extended(LIST, 19, -1L >>> 12)).isEqualTo(-95);
          assertThat(guest.extended(LIST, 20, -1L >>> 12)).isEqualTo(-95);
        });
  }

  @Test
  void xsa213whatFollowsAnIretInAMulticallIsNotMade() {
    holds(
        fixed(),
        guest -> {
          guest.copyRoot(A, LIST);
          assertThat(guest.extended(LIST, 15, guest.mfn(A))).isZero();
          guest.fill(0, B, 0, 0, 0, 0, 0, 0xe033, 0, 0, 0xe02b);
          guest.fill(0, LIST, 23, 0, va(B), 0, 0, 0, 0, 0);
          guest.fill(0, C, 0);
          guest.store(0, va(LIST, 8), 14);
          guest.store(0, va(LIST, 10), va(C));
          guest.store(0, va(LIST, 11), 0);
          guest.call(0, CallNumber.MULTICALL, va(LIST), 2);
          assertThat(guest.pv.vcpu(0).roots().isInKernel()).isFalse();
          assertThat(guest.count(C)).as("its mapping was to go").isEqualTo(2);
          guest.control(0, Kind.HYPERCALL, 0);
        });
  }

  @Test
  void xsa251theMachineToPhysicalTableIsNotTrusted() {
    holds(
        fixed(),
        guest -> {
          for (long lie : new long[] {-1, -2, 1L << 62, 7}) {
            assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, lie)).isZero();
            guest.protect(A);
            assertThat(guest.pin(LIST, A, 1)).isZero();
            assertThat(guest.unpin(LIST, A)).isZero();
            guest.unprotect(A);
            guest.domain.mfnToGfn(Addresses.mfn(guest.mfn(A)));
          }
        });
  }

  @Test
  void xsa252memoryThatGoesIsNotUnpinned() {
    Consumer<PvGuest> check =
        guest -> {
          guest.protect(A);
          assertThat(guest.pin(LIST, A, 1)).isZero();
          long mfn = guest.mfn(A);
          guest.fill(0, B, mfn);
          guest.fill(0, LIST, va(B), 1, 0, Batch.DOMID_SELF);
          assertThat(guest.call(0, CallNumber.MEMORY_OP, 1, va(LIST))).isOne();
          long type = guest.frames().typeWord(Addresses.mfn(mfn));
          assertThat(FrameWords.type(type)).isEqualTo(FrameType.L1);
          assertThat(type & FrameWords.PINNED).as("pinned").isNotZero();
          assertThat(guest.frames().owner(Addresses.mfn(mfn))).isEqualTo(guest.domain.id());
        };
    needs(
        (method, arguments, call) -> {
          if (method.equals("release")) {
            throw new IllegalStateException("unpins and frees");
          }
          return call.call();
        },
        check);
  }

  @Test
  void xsa298theLimitOfTheLdtHolds() {
    holds(
        fixed(),
        guest -> {
          guest.protect(A);
          assertThat(guest.extended(0, LIST, 13, va(A), 16)).isZero();
          assertThat(guest.pv.vcpu(0).descriptors().mapLdt(1)).isTrue();
          assertThat(guest.extended(0, LIST, 13, 0, 0)).as("no LDT").isZero();
          assertThat(guest.pv.vcpu(0).descriptors().mapLdt(0)).isFalse();
          assertThat(guest.typeCount(A)).isZero();
        });
  }

  @Test
  void refusalsLeaveNoTraceWhateverIsPassed() {
    holds(
        fixed(),
        guest -> {
          java.util.Random random = new java.util.Random(4);
          for (int i = 0; i < 400; i++) {
            long wild = 1L << 20 | random.nextLong() >>> random.nextInt(64);
            @Mfn long mfn = Addresses.mfn(wild);
            assertThat(guest.extended(LIST, 4, mfn)).isNotZero();
            assertThat(guest.extended(LIST, 17, mfn)).isEqualTo(EINVAL);
          }
        });
  }
}
