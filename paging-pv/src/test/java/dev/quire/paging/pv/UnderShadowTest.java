// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.PageEntry;
import dev.quire.paging.shadow.ShadowBackend;
import java.util.BitSet;
import org.junit.jupiter.api.Test;

/**
 * PV guests that change to shadows and back: for a live migration, and when they write entries by
 * which CPUs with the L1 terminal fault would be read out.
 */
class UnderShadowTest extends OneGuestTest {
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;

  private void swap(PagingBackend to) {
    host.hypervisor.swap(guest.domain, to);
    assertThat(guest.audit()).isEmpty();
    assertThat(guest.domain.paging().audit()).isEmpty();
  }

  private BitSet dirty() {
    long[] bitmap = new long[FRAMES / Long.SIZE];
    assertThat(guest.domain.logDirty().clean(bitmap, FRAMES)).isEqualTo(Errno.OK);
    return BitSet.valueOf(bitmap);
  }

  // ---- swaps ----

  @Test
  void typesAndCountsStayWhenTheBackendGoes() {
    long root = guest.bootTable(4);
    guest.protect(A);
    assertThat(guest.pin(LIST, A, 1)).isZero();
    String before = words();
    swap(new ShadowBackend());
    assertThat(words()).isEqualTo(before);
    assertThat(guest.type(A)).isEqualTo(FrameType.L1);
    assertThat(guest.vcpu(0).control().registers().cr3).isNotEqualTo(guest.mfn(root) << 12);
    assertThat(guest.store(0, va(B), 5)).isEqualTo(RunResult.DONE);
    assertThat(guest.store(0, va(A), 5)).isEqualTo(RunResult.FAULT);
    swap(new PvBackend());
    assertThat(words()).isEqualTo(before);
    assertThat(guest.vcpu(0).control().registers().cr3).isEqualTo(guest.mfn(root) << 12);
    assertThat(guest.load(0, va(B))).isEqualTo(5);
  }

  private String words() {
    StringBuilder all = new StringBuilder();
    for (int gfn = 0; gfn < FRAMES; gfn++) {
      all.append(guest.type(gfn)).append(guest.typeCount(gfn)).append(guest.count(gfn)).append(' ');
    }
    return all.toString();
  }

  @Test
  void aFrameThatWasATableHasNoShadowAndCanBeWritten() {
    swap(new ShadowBackend());
    guest.store(0, va(A, 3), guest.entry(B, PRESENT));
    guest.protect(A);
    assertThat(guest.pin(LIST, A, 1)).isZero();
    long slot = guest.slot(guest.bootTable(2), 7);
    long upper = PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.A;
    assertThat(guest.mmuUpdate(LIST, slot, guest.entry(A, upper))).isZero();
    guest.store(0, va(B), 77);
    long low = StartInfo.BASE + (7L << 21) + (3L << 12);
    assertThat(guest.load(0, Addresses.gva(low))).isEqualTo(77);
    assertThat(guest.mmuUpdate(LIST, slot, 0)).isZero();
    assertThat(guest.unpin(LIST, A)).isZero();
    guest.unprotect(A);
    assertThat(guest.store(0, va(A, 3), 0)).isEqualTo(RunResult.DONE);
    assertThat(guest.domain.paging().audit()).isEmpty();
    assertThat(guest.store(0, Addresses.gva(low), 1)).isEqualTo(RunResult.FAULT);
  }

  /** Shadows of roots are kept when no vCPU uses them any more; not when they are roots no more. */
  @Test
  void aRootThatIsNoneAnyMoreIsOrdinaryMemory() {
    swap(new ShadowBackend());
    guest.copyRoot(A, LIST);
    assertThat(guest.extended(LIST, 5, guest.mfn(A))).isZero();
    assertThat(guest.extended(LIST, 5, guest.mfn(guest.bootTable(4)))).isZero();
    assertThat(guest.unpin(LIST, A)).isZero();
    guest.unprotect(A);
    assertThat(guest.store(0, va(A, 9), 0x76000)).isEqualTo(RunResult.DONE);
    assertThat(guest.load(0, va(A, 9))).isEqualTo(0x76000);
    assertThat(guest.domain.paging().statistics().getOrDefault("emulated-table-writes", 0L))
        .isZero();
    guest.protect(A);
    assertThat(guest.pin(LIST, A, 4)).isZero();
    assertThat(guest.extended(LIST, 5, guest.mfn(A))).isZero();
    assertThat(guest.load(0, va(A, 9))).isEqualTo(0x76000);
    assertThat(guest.domain.paging().audit()).isEmpty();
    assertThat(guest.extended(LIST, 5, guest.mfn(guest.bootTable(4)))).isZero();
    assertThat(guest.unpin(LIST, A)).isZero();
  }

  // ---- live migration ----

  @Test
  void theDirectBackendLogsNothingAndSaysSo() {
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.EOPNOTSUPP);
    swap(new ShadowBackend());
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    assertThatThrownBy(() -> swap(new PvBackend())).isInstanceOf(BackendUnavailableException.class);
    assertThat(guest.domain.logDirty().disable()).isEqualTo(Errno.OK);
    swap(new PvBackend());
  }

  @Test
  void storesOfTheGuestAndOfItsInterfaceAreLogged() {
    swap(new ShadowBackend());
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    guest.store(0, va(A), 1);
    assertThat(dirty().get((int) A)).isTrue();
    guest.load(0, va(A));
    assertThat(dirty().get((int) A)).isFalse();
    guest.store(0, va(A), 1);
    assertThat(dirty().get((int) A)).as("the same again, after a clean").isTrue();
    guest.remap(0, va(B), guest.entry(B, PRESENT));
    assertThat(dirty().get((int) guest.bootTable(1))).as("an entry").isTrue();
    assertThat(guest.extended(LIST, 16, guest.mfn(A))).isZero();
    BitSet after = dirty();
    assertThat(after.get((int) A)).as("a frame that was cleared").isTrue();
    assertThat(after.get((int) LIST)).as("the list of requests").isTrue();
    assertThat(after.get((int) B)).isFalse();
  }

  @Test
  void aFrameThatGetsAnotherNameIsDirtyByIt() {
    swap(new ShadowBackend());
    assertThat(guest.domain.logDirty().enable()).isEqualTo(Errno.OK);
    guest.store(0, va(A), 1);
    dirty();
    assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, 5)).isZero();
    assertThat(dirty().get(5)).isTrue();
    guest.store(0, va(A), 2);
    assertThat(dirty().get(5)).isTrue();
    assertThat(guest.mmuUpdate(LIST, guest.mfn(A) << 12 | 1, A)).isZero();
  }

  // ---- the L1 terminal fault ----

  private PvGuest vulnerable() {
    PagingBackend shadow = new ShadowBackend();
    return host.guest(
        2,
        FRAMES,
        new GuestPolicy() {
          @Override
          public PagingBackend mitigation() {
            return shadow;
          }
        });
  }

  @Test
  void anAbsentEntryThatNamesMemoryMakesTheGuestShadowed() {
    PvGuest exposed = vulnerable();
    assertThat(exposed.remap(0, va(A), 0)).isZero();
    assertThat(exposed.remap(0, va(A), 0x7ffffffff000L)).as("beyond memory").isZero();
    assertThat(exposed.domain.backend()).isEqualTo("pv");
    assertThat(exposed.remap(0, va(A), exposed.entry(B, 0))).isZero();
    assertThat(exposed.domain.backend()).isEqualTo("shadow");
    assertThat(exposed.pv.vcpu(0).level1Entry(va(A))).isEqualTo(exposed.entry(B, 0));
    assertThat(exposed.store(0, va(A), 1)).isEqualTo(RunResult.FAULT);
    assertThat(exposed.store(1, va(B), 1)).isEqualTo(RunResult.DONE);
    assertThatThrownBy(() -> host.hypervisor.swap(exposed.domain, new PvBackend()))
        .isInstanceOf(BackendUnavailableException.class)
        .hasMessageContaining("shadow");
    assertThat(exposed.audit()).isEmpty();
    assertThat(exposed.domain.paging().audit()).isEmpty();
  }

  @Test
  void soDoesOneInATableThatIsValidated() {
    PvGuest exposed = vulnerable();
    exposed.store(0, va(A, 2), exposed.entry(B, WRITABLE));
    exposed.store(0, va(A, 3), exposed.entry(B, 0));
    exposed.protect(A);
    assertThat(exposed.pin(LIST, A, 1)).isZero();
    assertThat(exposed.domain.backend()).isEqualTo("shadow");
    assertThat(exposed.type(A)).isEqualTo(FrameType.L1);
    assertThat(exposed.typeCount(B)).as("two writable mappings").isEqualTo(2);
    assertThat(exposed.audit()).isEmpty();
  }

  @Test
  void soDoesAnUpperEntryWithTheSizeBit() {
    PvGuest exposed = vulnerable();
    long slot = exposed.slot(exposed.bootTable(2), 9);
    assertThat(exposed.mmuUpdate(LIST, slot, PageEntry.PS)).isZero();
    assertThat(exposed.domain.backend()).isEqualTo("shadow");
    assertThat(exposed.audit()).isEmpty();
  }

  @Test
  void andAStoreToATableThatIsEmulated() {
    PvGuest exposed = vulnerable();
    assertThat(exposed.call(0, Hypercalls.CallNumber.VM_ASSIST, 0, 2)).isZero();
    long table = exposed.bootTable(1);
    long index = (va(A) >>> 12) & 511;
    assertThat(exposed.store(0, va(table, index), exposed.entry(B, 0))).isEqualTo(RunResult.DONE);
    assertThat(exposed.domain.backend()).isEqualTo("shadow");
    assertThat(exposed.store(0, va(A), 1)).isEqualTo(RunResult.FAULT);
    assertThat(exposed.store(0, va(table, index), exposed.entry(A, WRITABLE)))
        .isEqualTo(RunResult.DONE);
    assertThat(exposed.store(0, va(A), 1)).isEqualTo(RunResult.DONE);
    assertThat(exposed.domain.paging().audit()).isEmpty();
  }

  @Test
  void aGuestOnSoundCpusStaysOnItsOwnTables() {
    assertThat(guest.remap(0, va(A), guest.entry(B, 0))).isZero();
    assertThat(guest.domain.backend()).isEqualTo("pv");
  }
}
