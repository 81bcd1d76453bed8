// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.NestedPaging.Format;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Efer;
import dev.quire.hw.reference.Shape;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The table of what a nested page fault says, as the tests of hypervisors on AMD's CPUs have it:
 * one thing is wrong in the nested tables, and EXITINFO1 and EXITINFO2 say which.
 */
class SvmNestedPagingTest {
  private static final long PAGE = 0x12345678000L;
  private static final long DATA = 0x7000000;
  private static final long READ = 0;
  private static final long WRITE = Access.WRITE;
  private static final long FETCH = Access.FETCH;
  private static final long ALL = Tables.PLAIN;

  private final NestedGuest guest =
      new NestedGuest(CpuProfile.full(Vendor.AMD, 40), null, Shape.FOUR_LEVEL, Format.NPT, 4);

  private void mapped(long flags) {
    guest.map(PAGE, 1, DATA, flags);
  }

  private void exits(long access, long info1, long info2) {
    assertThat(guest.access(access, PAGE + 0x10)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.control.exitQualification())
        .as("EXITINFO1 0x%x", guest.control.exitQualification())
        .isEqualTo(info1);
    assertThat(guest.control.exitGuestPhysical()).isEqualTo(info2);
    assertThat(guest.block.next()).isZero();
  }

  @Test
  void np() {
    mapped(ALL);
    guest.nest(DATA, 1, ALL & ~Tables.P);
    exits(READ, 0x100000004L, DATA + 0x10);
  }

  /** Whatever the guest's EFER.NXE: the host's decides. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void nx(boolean ofGuest) {
    mapped(ALL);
    guest.control.registers().efer = Efer.LME | Efer.LMA | (ofGuest ? Efer.NXE : 0);
    guest.nest(DATA, 1, ALL | Tables.NX);
    exits(FETCH, 0x100000015L, DATA + 0x10);
    assertThat(guest.access(READ, PAGE)).isEqualTo(ExitReason.DONE);
  }

  @Test
  void nxIsReservedWhereTheHostHasItOff() {
    mapped(ALL);
    guest.control.nested().noExecute = false;
    guest.nest(DATA, 1, ALL | Tables.NX);
    exits(READ, 0x10000000dL, DATA + 0x10);
    exits(FETCH, 0x10000001dL, DATA + 0x10);
  }

  @Test
  void us() {
    mapped(ALL);
    guest.nest(DATA, 1, ALL & ~Tables.US);
    exits(READ, 0x100000005L, DATA + 0x10);
    exits(FETCH, 0x100000015L, DATA + 0x10);
  }

  @Test
  void rw() {
    mapped(ALL);
    guest.nest(DATA, 1, ALL & ~Tables.RW);
    exits(WRITE, 0x100000007L, DATA + 0x10);
    assertThat(guest.access(READ, PAGE)).isEqualTo(ExitReason.DONE);
  }

  /** Nested pages are user pages walked by user accesses: no CR0.WP overrides them. */
  @Test
  void rwWithoutWriteProtect() {
    mapped(ALL & ~Tables.RW);
    guest.control.registers().cr0 = Cr0.PE | Cr0.PG;
    assertThat(guest.access(WRITE, PAGE)).isEqualTo(ExitReason.DONE);
    guest.nest(DATA, 1, ALL & ~Tables.RW);
    exits(WRITE, 0x100000007L, DATA + 0x10);
  }

  /** Every access to the guest's tables is a write, whether or not A or D must be set. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void rwPfwalk(int level) {
    mapped(ALL);
    long entry = guest.guest.entryAddress(PAGE, level);
    guest.nest(entry & ~0xfffL, 1, ALL & ~Tables.RW);
    exits(READ, 0x200000007L, entry);
    exits(FETCH, 0x200000007L, entry);
    guest.nest(entry & ~0xfffL, 1, 0);
    exits(READ, 0x200000006L, entry);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 40", "1, 51", "2, 40", "2, 51", "3, 45", "4, 51", "4, 7", "4, 8", "2, 63", "3, 63"
  })
  void rsvd(int level, int bit) {
    mapped(ALL);
    guest.control.nested().noExecute = bit != 63;
    guest.nested.put(DATA, level, guest.nested.get(DATA, level) | 1L << bit);
    long at = guest.control.nested().root; // the guest's tables are under the same upper entries
    assertThat(at).isNotZero();
    boolean shared = level > 2;
    long first = guest.guest.entryAddress(PAGE, 4);
    if (shared) {
      exits(READ, 0x20000000fL, first);
    } else {
      exits(READ, 0x10000000dL, DATA + 0x10);
      exits(WRITE, 0x10000000fL, DATA + 0x10);
      exits(FETCH, 0x10000001dL, DATA + 0x10);
    }
  }

  @Test
  void reservedBitsOfLargePages() {
    mapped(ALL);
    guest.nested.put(DATA, 2, NestedGuest.OFFSET | 1L << 13 | ALL | Tables.PS);
    exits(READ, 0x10000000dL, DATA + 0x10);
    guest.nest(DATA, 2, ALL);
    assertThat(guest.access(READ, PAGE)).isEqualTo(ExitReason.DONE);
    assertThat(guest.reached()).isEqualTo(DATA);
  }

  @Test
  void guestsOwnFaultIsNoExit() {
    mapped(ALL & ~Tables.RW);
    guest.nest(DATA, 1, 0);
    assertThat(guest.access(WRITE, PAGE)).isEqualTo(ExitReason.FAULT);
    assertThat(guest.control.exitErrorCode()).isEqualTo(3);
    assertThat(guest.control.exitLinear()).isEqualTo(PAGE);
  }

  /** A PAE guest has no PDPTE registers: each walk reads the entry, in memory. */
  @ParameterizedTest
  @ValueSource(longs = {0x1000, 0x40001000L, 0x80001000L, 0xc0001000L})
  void pdptesAreReadAtEachWalk(long page) {
    NestedGuest pae =
        new NestedGuest(CpuProfile.full(Vendor.AMD, 40), null, Shape.PAE, Format.NPT, 4);
    pae.map(page, 1, DATA, ALL);
    Arrays.fill(pae.control.registers().pdptes, 0);
    assertThat(pae.access(READ, page)).isEqualTo(ExitReason.DONE);
    assertThat(pae.cpu.counters.references(3, 0)).isEqualTo(1);
    pae.guest.put(page, 3, 0x5001L | 2);
    assertThat(pae.access(READ, page)).isEqualTo(ExitReason.FAULT);
    assertThat(pae.control.exitErrorCode()).isEqualTo(9);
    long entry = pae.guest.entryAddress(page, 3);
    pae.nest(entry & ~0xfffL, 1, 0);
    assertThat(pae.access(READ, page)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(pae.control.exitQualification()).isEqualTo(0x200000006L);
    assertThat(pae.control.exitGuestPhysical()).isEqualTo(entry);
  }

  @Test
  void accessedAndDirtyOfNestedEntriesAreSetWhenThatPartOfTheWalkHasSucceeded() {
    mapped(ALL);
    guest.nest(DATA, 1, Tables.P | Tables.US);
    assertThat(guest.access(WRITE, PAGE)).isEqualTo(ExitReason.NESTED_FAULT);
    assertThat(guest.nested.get(DATA, 1) & (Tables.A | Tables.D)).isZero();
    assertThat(guest.nested.get(guest.guest.root(), 1) & (Tables.A | Tables.D))
        .isEqualTo(Tables.A | Tables.D);
    assertThat(guest.access(READ, PAGE)).isEqualTo(ExitReason.DONE);
    assertThat(guest.nested.get(DATA, 1) & (Tables.A | Tables.D)).isEqualTo(Tables.A);
  }
}
