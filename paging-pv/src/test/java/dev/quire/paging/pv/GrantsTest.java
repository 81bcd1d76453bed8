// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.GrantFlags.APPLICATION;
import static dev.quire.paging.pv.GrantFlags.CONTAINS_PTE;
import static dev.quire.paging.pv.GrantFlags.DEVICE;
import static dev.quire.paging.pv.GrantFlags.HOST;
import static dev.quire.paging.pv.GrantFlags.READ_ONLY;
import static dev.quire.paging.pv.GrantPair.ACCEPT;
import static dev.quire.paging.pv.GrantPair.LIST;
import static dev.quire.paging.pv.GrantPair.PERMIT;
import static dev.quire.paging.pv.GrantPair.READING;
import static dev.quire.paging.pv.GrantPair.READ_ONLY_GRANT;
import static dev.quire.paging.pv.GrantPair.WRITING;
import static dev.quire.paging.pv.PvGuest.PRESENT;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.x86.PageEntry;
import dev.quire.paging.pv.Hypercalls.CallNumber;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Grants: what one domain lets another map, and what it gives away. */
class GrantsTest {
  private static final long A = 44;
  private static final long B = 45;
  private static final long C = 46;
  private static final int REF = 9;

  private final PvHost host = new PvHost();
  private final GrantPair pair = GrantPair.on(host);
  private final PvGuest granter = pair.granter;
  private final PvGuest mapper = pair.mapper;

  @AfterEach
  void everyCountIsRight() {
    assertThat(granter.audit()).isEmpty();
  }

  // ---- map ----

  @Test
  void aMappedGrantIsOnePageOfTwoGuests() {
    pair.grantPage(REF, A, PERMIT);
    long handle = pair.map(va(B), HOST, REF);
    assertThat(handle).isNotNegative();
    assertThat(pair.deviceAddress()).isEqualTo(granter.mfn(A) << 12);
    assertThat(mapper.store(0, va(B), 77)).isEqualTo(RunResult.DONE);
    assertThat(granter.load(0, va(A))).isEqualTo(77);
    assertThat(granter.count(A)).isEqualTo(3);
    assertThat(granter.typeCount(A)).isEqualTo(2);
    assertThat(mapper.count(B)).as("what was mapped before").isOne();
    assertThat(pair.flags(REF)).isEqualTo(PERMIT | READING | WRITING);
    assertThat(pair.unmap(va(B), 0, handle)).isZero();
    assertThat(mapper.access(0, va(B), false, false)).isEqualTo(RunResult.FAULT);
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void aGrantThatIsReadOnlyIsMappedReadOnly() {
    pair.grantPage(REF, A, PERMIT | READ_ONLY_GRANT);
    granter.store(0, va(A), 5);
    assertThat(pair.map(va(B), HOST, REF)).isEqualTo(-1);
    assertThat(mapper.pv.vcpu(0).refusals(PvRule.GRANT_REFUSED)).isOne();
    long handle = pair.map(va(B), HOST | READ_ONLY, REF);
    assertThat(mapper.load(0, va(B))).isEqualTo(5);
    assertThat(mapper.store(0, va(B), 6)).isEqualTo(RunResult.FAULT);
    assertThat(granter.typeCount(A)).isOne();
    assertThat(pair.flags(REF) & WRITING).isZero();
    assertThat(pair.unmap(va(B), 0, handle)).isZero();
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void anEntryCanBeNamedByItsMachineAddress() {
    pair.grantPage(REF, A, PERMIT);
    long slot = mapper.slot(mapper.bootTable(1), B);
    long handle = pair.map(slot, HOST | CONTAINS_PTE | APPLICATION | 5 << 16, REF);
    assertThat(handle).isNotNegative();
    long entry = mapper.load(0, va(mapper.bootTable(1), B));
    assertThat(entry & (PageEntry.NX | 0xe00 | PageEntry.US | PageEntry.G | PageEntry.RW))
        .isEqualTo(PageEntry.NX | 5L << 9 | PageEntry.US | PageEntry.G | PageEntry.RW);
    assertThat(pair.replace(slot, va(C), handle)).as("by addresses only").isEqualTo(-1);
    assertThat(pair.unmap(slot, 0, handle)).isZero();
    pair.nothingIsLeft(REF, A);
    assertThat(pair.map(mapper.slot(mapper.bootTable(2), B), HOST | CONTAINS_PTE, REF))
        .as("of a level-2 table")
        .isEqualTo(-1);
    assertThat(pair.map(granter.slot(granter.bootTable(1), B), HOST | CONTAINS_PTE, REF))
        .as("of another's table")
        .isEqualTo(-1);
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void aMappingForDevicesHoldsTheFrameWithoutAnEntry() {
    pair.grantPage(REF, A, PERMIT);
    long handle = pair.map(0, DEVICE, REF);
    assertThat(granter.count(A)).isEqualTo(3);
    assertThat(granter.typeCount(A)).isEqualTo(2);
    assertThat(pair.unmap(0, granter.mfn(B) << 12, handle)).isEqualTo(-6);
    assertThat(pair.unmap(va(B), 0, handle)).as("no mapping of the host's").isZero();
    assertThat(granter.count(A)).isEqualTo(3);
    assertThat(pair.unmap(0, granter.mfn(A) << 12, handle)).isZero();
    assertThat(pair.unmap(0, granter.mfn(A) << 12, handle)).as("twice").isEqualTo(-4);
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void unmapAndReplaceMovesAnotherEntryThere() {
    pair.grantPage(REF, A, PERMIT);
    mapper.store(0, va(C), 0xcc);
    long handle = pair.map(va(B), HOST, REF);
    assertThat(pair.replace(va(B), va(C), handle)).isZero();
    assertThat(mapper.load(0, va(B))).isEqualTo(0xcc);
    assertThat(mapper.access(0, va(C), false, false)).isEqualTo(RunResult.FAULT);
    assertThat(mapper.count(C)).isEqualTo(2);
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void whatIsMappedWritableBecomesNoTableAndWhatIsATableIsMappedReadOnly() {
    pair.grantPage(REF, A, PERMIT);
    long handle = pair.map(va(B), HOST, REF);
    granter.protect(A);
    assertThat(granter.pin(LIST, A, 1)).isEqualTo(-22);
    assertThat(pair.unmap(va(B), 0, handle)).isZero();
    assertThat(granter.pin(LIST, A, 1)).isZero();
    assertThat(pair.map(va(B), HOST, REF)).isEqualTo(-1);
    assertThat(mapper.pv.vcpu(0).refusals(PvRule.TYPE_IN_USE)).isOne();
    handle = pair.map(va(B), HOST | READ_ONLY, REF);
    assertThat(handle).isNotNegative();
    assertThat(pair.unmap(va(B), 0, handle)).isZero();
    assertThat(pair.flags(REF)).isEqualTo(PERMIT);
  }

  @Test
  void anotherCpuOfTheMapperForgetsBeforeTheFrameIsLetGo() {
    pair.grantPage(REF, A, PERMIT);
    long handle = pair.map(va(B), HOST, REF);
    assertThat(mapper.store(1, va(B), 1)).isEqualTo(RunResult.DONE);
    assertThat(pair.unmap(va(B), 0, handle)).isZero();
    assertThat(mapper.store(1, va(B), 2)).isEqualTo(RunResult.FAULT);
    granter.protect(A);
    assertThat(granter.pin(LIST, A, 1)).isZero();
  }

  @Test
  void refusalsHaveTheirStatusAndLeaveNothing() {
    pair.grantPage(REF, A, PERMIT);
    int third = 77;
    assertThat(pair.map(va(B), READ_ONLY, REF)).as("for nobody").isEqualTo(-3);
    assertThat(pair.map(va(B), HOST, REF, third)).isEqualTo(-2);
    assertThat(pair.map(va(B), HOST, 512)).isEqualTo(-3);
    assertThat(pair.map(va(B), HOST, -1)).isEqualTo(-3);
    assertThat(pair.map(va(B), HOST, REF + 1)).as("grants nothing").isEqualTo(-1);
    assertThat(pair.map(0x7000, HOST, REF)).as("no level-1 table").isEqualTo(-1);
    assertThat(pair.map(0xffff800000000000L, HOST, REF)).isEqualTo(-1);
    pair.grant(REF + 1, granter.mfn(A), PERMIT, third);
    assertThat(pair.map(va(B), HOST, REF + 1)).as("to somebody else").isEqualTo(-1);
    pair.grant(REF + 1, mapper.mfn(A), PERMIT, mapper.domain.id());
    assertThat(pair.map(va(B), HOST, REF + 1)).as("not the granter's").isEqualTo(-1);
    assertThat(pair.flags(REF + 1)).isEqualTo(PERMIT);
    pair.grant(REF + 1, 1L << 31, PERMIT, mapper.domain.id());
    assertThat(pair.map(va(B), HOST, REF + 1)).as("no frame").isEqualTo(-1);
    assertThat(pair.unmap(va(B), 0, 12345)).isEqualTo(-4);
    assertThat(pair.unmap(va(B), 0, -1)).isEqualTo(-4);
    pair.nothingIsLeft(REF, A);
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, 0, va(LIST), -1)).isEqualTo(-22);
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, 5, va(LIST), 1)).isEqualTo(-38);
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, 0, 8, 1)).isEqualTo(-14);
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, 2, va(LIST), 2)).isEqualTo(-22);
  }

  @Test
  void anEntryThatTheGuestOverwritesIsGoneAndCannotBeUnmapped() {
    pair.grantPage(REF, A, PERMIT);
    long handle = pair.map(va(B), HOST, REF);
    assertThat(mapper.remap(0, va(B), 0)).isZero();
    assertThat(granter.count(A)).isEqualTo(2);
    assertThat(pair.unmap(va(B), 0, handle)).isEqualTo(-1);
    assertThat(mapper.pv.vcpu(0).refusals(PvRule.GRANT_ENTRY)).isOne();
    assertThat(granter.pv.grants().pins(REF)).isOne();
    assertThat(mapper.remap(0, va(B), granter.entry(A, PRESENT))).as("foreign").isEqualTo(-16);
    host.hypervisor.destroy(mapper.domain);
    pair.nothingIsLeft(REF, A);
  }

  @Test
  void tablesGrowAndTellTheirSize() {
    granter.fill(0, LIST, Batch.DOMID_SELF | 3L << 32, 0, va(LIST, 8));
    assertThat(granter.call(0, CallNumber.GRANT_TABLE_OP, 2, va(LIST), 1)).isZero();
    granter.fill(0, LIST, Batch.DOMID_SELF, 0);
    assertThat(granter.call(0, CallNumber.GRANT_TABLE_OP, 6, va(LIST), 1)).isZero();
    assertThat(granter.load(0, va(LIST)) >>> 32).isEqualTo(3);
    assertThat((int) granter.load(0, va(LIST, 1))).isEqualTo(64);
    granter.fill(0, LIST, Batch.DOMID_SELF | 65L << 32, 0, va(LIST, 8));
    assertThat(granter.call(0, CallNumber.GRANT_TABLE_OP, 2, va(LIST), 1)).isZero();
    assertThat((short) granter.load(0, va(LIST, 1))).isEqualTo((short) -1);
    granter.fill(0, LIST, mapper.domain.id() | 1L << 32, 0, va(LIST, 8));
    assertThat(granter.call(0, CallNumber.GRANT_TABLE_OP, 2, va(LIST), 1)).isZero();
    assertThat((short) granter.load(0, va(LIST, 1))).isEqualTo((short) -8);
  }

  // ---- the end of either ----

  @Test
  void aGranterThatEndsLeavesTheMappedFrameToTheMapper() {
    PvGuest other = host.guest(1, 64);
    GrantPair with = new GrantPair(other, mapper);
    with.grantPage(REF, A, PERMIT);
    long mfn = other.mfn(A);
    int owner = other.domain.id();
    long handle = with.map(va(B), HOST | DEVICE, REF);
    host.hypervisor.destroy(other.domain);
    assertThat(mapper.store(0, va(B), 3)).isEqualTo(RunResult.DONE);
    assertThat(mapper.frames().owner(Addresses.mfn(mfn))).isEqualTo(owner);
    assertThat(with.unmap(va(B), mfn << 12, handle)).isZero();
    assertThat(mapper.frames().owner(Addresses.mfn(mfn))).isEqualTo(FrameTable.NOBODY);
    assertThat(with.map(va(B), HOST, REF, owner)).isEqualTo(-2);
  }

  @Test
  void aMapperThatEndsGivesEverythingBack() {
    pair.grantPage(REF, A, PERMIT);
    assertThat(pair.map(va(B), HOST | DEVICE, REF)).isNotNegative();
    assertThat(pair.map(va(C), HOST | READ_ONLY, REF)).isNotNegative();
    assertThat(granter.count(A)).isEqualTo(5);
    host.hypervisor.destroy(mapper.domain);
    pair.nothingIsLeft(REF, A);
  }

  // ---- many ----

  @Test
  void aCallThatStopsGoesOnWithTheRest() {
    PvGuest hasty = host.guest(1, 64, GuestPolicy.PLAIN, () -> Patience.of(2));
    GrantPair with = new GrantPair(granter, hasty);
    int count = 40;
    for (int i = 0; i < count; i++) {
      with.grantPage(i, A, PERMIT);
    }
    for (int i = 0; i < count; i++) {
      request(hasty, i, 4, 0, DEVICE | READ_ONLY | (long) i << 32, granter.domain.id(), 0);
    }
    assertThat(hasty.call(0, CallNumber.GRANT_TABLE_OP, 0, va(50), count)).isZero();
    long stops = hasty.pv.vcpu(0).preempted();
    assertThat(stops).isGreaterThan(10);
    assertThat(granter.count(A)).isEqualTo(2 + count);
    long[] handles = new long[count];
    for (int i = 0; i < count; i++) {
      handles[i] = hasty.load(0, va(50, 4L * i + 2)) >>> 32;
    }
    for (int i = 0; i < count; i++) {
      request(hasty, i, 3, 0, granter.mfn(A) << 12, handles[i]);
    }
    assertThat(hasty.call(0, CallNumber.GRANT_TABLE_OP, 1, va(50), count)).isZero();
    assertThat(granter.count(A)).isEqualTo(2);
    host.hypervisor.destroy(hasty.domain);
  }

  private static void request(PvGuest guest, int index, int longs, long... words) {
    for (int i = 0; i < longs; i++) {
      guest.store(0, va(50, (long) index * longs + i), words[i]);
    }
  }

  // ---- transfer ----

  @Test
  void aTransferredFrameIsTheOthers() {
    pair.grant(REF, 0x123, ACCEPT, mapper.domain.id());
    long mfn = mapper.mfn(B);
    assertThat(pair.transfer(mfn, granter.domain.id(), REF)).as("mapped").isEqualTo(-9);
    assertThat(mapper.pv.vcpu(0).refusals(PvRule.REFERRED_TO)).isOne();
    mapper.store(1, va(B), 4);
    assertThat(mapper.call(0, CallNumber.UPDATE_VA_MAPPING, va(B), 0, 0)).isZero();
    assertThat(pair.transfer(mfn, granter.domain.id(), REF)).isZero();
    assertThat(granter.frames().owner(Addresses.mfn(mfn))).isEqualTo(granter.domain.id());
    assertThat(granter.load(0, va(GrantPair.TABLE, REF)))
        .as("completed, and which frame")
        .isEqualTo(ACCEPT | 4 | 8 | (long) mapper.domain.id() << 16 | mfn << 32);
    assertThat(granter.host().machineToPhysical(Addresses.mfn(mfn))).isEqualTo(0x123);
    assertThat(mapper.store(1, va(B), 5)).as("by a stale translation").isEqualTo(RunResult.FAULT);
    assertThat(granter.remap(0, va(C), mfn << 12 | PvGuest.WRITABLE)).isZero();
    assertThat(granter.load(0, va(C))).isEqualTo(4);
  }

  @Test
  void aTransferThatNobodyTakesLosesTheFrame() {
    long mfn = mapper.mfn(B);
    assertThat(pair.transfer(1L << 40, granter.domain.id(), REF)).isEqualTo(-9);
    assertThat(pair.transfer(granter.mfn(B), granter.domain.id(), REF)).isEqualTo(-9);
    assertThat(mapper.remap(0, va(B), 0)).isZero();
    pair.grant(REF, 0x123, PERMIT, mapper.domain.id());
    assertThat(pair.transfer(mfn, granter.domain.id(), REF)).isEqualTo(-1);
    assertThat(mapper.frames().owner(Addresses.mfn(mfn))).isEqualTo(FrameTable.NOBODY);
    assertThat(mapper.remap(0, va(C), 0)).isZero();
    assertThat(pair.transfer(mapper.mfn(C), 99, REF)).isEqualTo(-2);
  }
}
