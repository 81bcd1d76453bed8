// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static dev.quire.paging.pv.PvGuest.WRITABLE;
import static dev.quire.paging.pv.PvGuest.va;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.paging.pv.Hypercalls.CallNumber;

/** A guest that grants and one that maps, and what their kernels do about it. */
final class GrantPair {
  static final int PERMIT = 1;
  static final int ACCEPT = 2;
  static final int READ_ONLY_GRANT = 4;
  static final int READING = 8;
  static final int WRITING = 16;

  /** Where each guest has its requests, and the granter its table. */
  static final long LIST = 40;

  static final long TABLE = 41;
  static final int MAP = 0;
  static final int UNMAP = 1;
  static final int SETUP = 2;
  static final int TRANSFER = 4;
  static final int QUERY = 6;
  static final int REPLACE = 7;

  final PvGuest granter;
  final PvGuest mapper;

  GrantPair(PvGuest granter, PvGuest mapper) {
    this.granter = granter;
    this.mapper = mapper;
    setUp(granter);
  }

  static GrantPair on(PvHost host) {
    return new GrantPair(host.guest(2, 64), host.guest(2, 64));
  }

  static void setUp(PvGuest guest) {
    guest.fill(0, LIST, Batch.DOMID_SELF | 1L << 32, 0, va(LIST, 8));
    assertThat(guest.call(0, CallNumber.GRANT_TABLE_OP, SETUP, va(LIST), 1)).isZero();
    assertThat((short) guest.load(0, va(LIST, 1))).isZero();
    long shared = guest.load(0, va(LIST, 8));
    assertThat(guest.remap(0, va(TABLE), shared << 12 | WRITABLE)).isZero();
  }

  // ---- the granter ----

  void grant(int ref, long mfn, int flags, int to) {
    assertThat(granter.store(0, va(TABLE, ref), flags | (long) to << 16 | mfn << 32))
        .isEqualTo(RunResult.DONE);
  }

  /** Grants a page of the granter's to the mapper. */
  void grantPage(int ref, long page, int flags) {
    grant(ref, granter.mfn(page), flags, mapper.domain.id());
  }

  int flags(int ref) {
    return (int) granter.load(0, va(TABLE, ref)) & 0xffff;
  }

  // ---- the mapper ----

  private long status(long quadword, int shift) {
    return (short) (mapper.load(0, va(LIST, quadword)) >>> shift);
  }

  private void call(int command) {
    assertThat(mapper.call(0, CallNumber.GRANT_TABLE_OP, command, va(LIST), 1)).isZero();
  }

  /** Maps; answers the handle, or the status if that is negative. */
  long map(long address, int flags, int ref) {
    return map(address, flags, ref, granter.domain.id());
  }

  long map(long address, int flags, int ref, int owner) {
    mapper.fill(0, LIST, address, flags | (long) ref << 32, owner, 0);
    call(MAP);
    long status = status(2, 16);
    return status == 0 ? mapper.load(0, va(LIST, 2)) >>> 32 : status;
  }

  /** The device address that the last mapping has told. */
  long deviceAddress() {
    return mapper.load(0, va(LIST, 3));
  }

  long unmap(long address, long device, long handle) {
    mapper.fill(0, LIST, address, device, handle);
    call(UNMAP);
    return status(2, 32);
  }

  long replace(long address, long other, long handle) {
    mapper.fill(0, LIST, address, other, handle);
    call(REPLACE);
    return status(2, 32);
  }

  long transfer(long mfn, int to, int ref) {
    mapper.fill(0, LIST, mfn, to | (long) ref << 32, 0);
    call(TRANSFER);
    return status(2, 0);
  }

  /** Everything is as it was before. */
  void nothingIsLeft(int ref, long page) {
    assertThat(granter.pv.grants().pins(ref)).as("pins").isZero();
    assertThat(flags(ref) & (READING | WRITING)).as("flags in use").isZero();
    assertThat(granter.count(page)).as("general").isEqualTo(2);
    assertThat(granter.typeCount(page)).as("writable").isEqualTo(1);
    assertThat(granter.audit()).isEmpty();
  }
}
