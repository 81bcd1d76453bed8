// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Vector;
import dev.quire.hw.reference.Shape;
import org.junit.jupiter.api.Test;

/** Loads, stores and exchanges by linear address: within a page, across pages, at 4 GiB. */
class DataAccessTest {
  private static final long PAGE = 0x80000000L;
  private static final long LAST = 0xfffff000L;
  private static final long USER = Access.of(0, true, false);

  private final TestCpu cpu =
      new TestCpu(MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withTlb(PrimedCpu.WHOLE));
  private final Tables tables = new Tables(cpu.memory, Shape.TWO_LEVEL, 0x10000);
  private final ControlBlock guest = new ControlBlock();
  private final OperationBlock block = new OperationBlock(8);

  DataAccessTest() {
    tables.map(PAGE, 1, 0x300000, Tables.PLAIN);
    tables.map(PAGE + 0x1000, 1, 0x200000, Tables.PLAIN & ~Tables.A & ~Tables.D);
    tables.map(LAST, 1, 0x400000, Tables.PLAIN);
    tables.map(0, 1, 0x500000, Tables.PLAIN);
    guest.registers().cr0 = Cr0.PE | Cr0.PG | Cr0.WP;
    guest.registers().cr3 = tables.root();
  }

  private ExitReason enter() {
    return cpu.cpu.enter(guest, block, 8);
  }

  private long load(long linear, int bytes) {
    block.clear();
    block.load(USER, linear, bytes);
    assertThat(enter()).isEqualTo(ExitReason.DONE);
    return block.results()[0];
  }

  @Test
  void whatWasStoredIsLoadedAtEverySizeAndOffset() {
    for (int bytes : new int[] {1, 2, 4, 8}) {
      for (int offset = 0xff0; offset < 0x1008; offset++) {
        long value = 0x1122334455667788L + offset;
        block.clear();
        block.store(USER, PAGE + offset, bytes, value);
        assertThat(enter()).isEqualTo(ExitReason.DONE);
        assertThat(load(PAGE + offset, bytes)).isEqualTo(value & -1L >>> 64 - 8 * bytes);
      }
    }
  }

  @Test
  void aStoreAcrossPagesReachesBoth() {
    block.store(USER, PAGE + 0xffd, 8, 0x8877665544332211L);
    assertThat(enter()).isEqualTo(ExitReason.DONE);
    assertThat(cpu.memory.load(0x300ffd, 1)).isEqualTo(0x11);
    assertThat(cpu.memory.load(0x300ffe, 2)).isEqualTo(0x3322);
    assertThat(cpu.memory.load(0x200000, 4)).isEqualTo(0x77665544L);
    assertThat(cpu.memory.load(0x200004, 1)).isEqualTo(0x88);
    assertThat(block.reached()[0]).isEqualTo(0x300ffd);
    assertThat(tables.get(PAGE + 0x1000, 1) & (Tables.A | Tables.D)).isEqualTo(0x60);
    assertThat(cpu.counters.get(HwEvent.ACCESSES)).isEqualTo(2);
  }

  @Test
  void anAccessWhoseSecondPageFaultsMovesNothing() {
    tables.put(PAGE + 0x1000, 1, 0);
    block.store(USER, PAGE + 0xffd, 4, -1);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitVector()).isEqualTo(Vector.PF);
    assertThat(guest.exitLinear()).isEqualTo(PAGE + 0x1000);
    assertThat(guest.registers().cr2).isEqualTo(PAGE + 0x1000);
    assertThat(cpu.memory.load(0x300ff8, 8)).isZero();
    assertThat(block.next()).isZero();
    block.clear();
    block.store(USER, PAGE + 0xffd, 2, -1); // not across
    assertThat(enter()).isEqualTo(ExitReason.DONE);
  }

  @Test
  void addressesWrapAt4G() {
    block.store(USER, LAST + 0xffe, 4, 0x44332211);
    block.load(USER, LAST + 0xffe - (1L << 32), 4);
    block.load(USER, 3L << 32, 2);
    assertThat(enter()).isEqualTo(ExitReason.DONE);
    assertThat(cpu.memory.load(0x400ffe, 2)).isEqualTo(0x2211);
    assertThat(cpu.memory.load(0x500000, 2)).isEqualTo(0x4433);
    assertThat(block.results()[1]).isEqualTo(0x44332211);
    assertThat(block.results()[2]).isEqualTo(0x4433);
  }

  @Test
  void anExchangeHappensIfTheValueIsAsExpected() {
    for (int offset : new int[] {0x10, 0xffd}) {
      cpu.memory.store(0x200000, 8, 0);
      block.clear();
      block.store(USER, PAGE + offset, 4, 0xcafe1234L);
      block.compareExchange(true, false, PAGE + offset, 4, 0xcafe1234L | 1L << 40, 0x99aabbccL);
      block.compareExchange(true, false, PAGE + offset, 4, 0xcafe1234L, 0x11111111L);
      block.load(USER, PAGE + offset, 4);
      assertThat(enter()).isEqualTo(ExitReason.DONE);
      assertThat(block.results()[1]).isEqualTo(0xcafe1234L);
      assertThat(block.results()[2]).isEqualTo(0x99aabbccL);
      assertThat(block.results()[3]).isEqualTo(0x99aabbccL);
      assertThat(block.reached()[1]).isEqualTo(0x300000 + offset);
    }
  }

  @Test
  void anExchangeNeedsTheRightsOfAWriteEvenIfItFails() {
    tables.map(PAGE, 1, 0x300000, Tables.PLAIN & ~Tables.RW);
    block.compareExchange(true, false, PAGE, 4, 5, 6);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitErrorCode()).isEqualTo(7);
    assertThat(guest.exitLinear()).isEqualTo(PAGE);
  }

  @Test
  void withPagingOffAddressesArePhysical() {
    guest.registers().cr0 = Cr0.PE;
    block.store(0, 0x12345, 2, 0xabcd);
    block.probe(0, (1L << 40) + 0x777);
    block.load(0, (5L << 32) + 0x12345, 2);
    block.compareExchange(false, false, 0x12345, 2, 0xabcd, 1);
    assertThat(enter()).isEqualTo(ExitReason.DONE);
    assertThat(cpu.memory.load(0x12345, 2)).isEqualTo(1);
    assertThat(block.reached()[1]).isEqualTo(0x777);
    assertThat(block.results()[2]).isEqualTo(0xabcd);
    assertThat(cpu.counters.get(HwEvent.UNPAGED_ACCESSES)).isEqualTo(4);
    assertThat(cpu.counters.get(HwEvent.ACCESSES)).isZero();
  }

  @Test
  void theKernelOfAPvGuestIsAUser() {
    tables.map(PAGE, 1, 0x300000, Tables.PLAIN & ~Tables.US);
    long supervisor = Access.of(0, false, false);
    block.probe(supervisor, PAGE);
    block.load(supervisor, PAGE, 4);
    assertThat(enter()).isEqualTo(ExitReason.DONE);
    guest.kernelIsUser(true);
    block.clear();
    block.probe(supervisor, PAGE);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitErrorCode()).isEqualTo(5);
    block.clear();
    block.load(supervisor, PAGE, 4);
    assertThat(enter()).isEqualTo(ExitReason.FAULT);
    assertThat(guest.exitErrorCode()).isEqualTo(5);
  }
}
