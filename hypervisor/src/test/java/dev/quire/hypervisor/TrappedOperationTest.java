// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.NestedFault;
import dev.quire.api.x86.Vector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Emulation for a guest with paging off: linear addresses are guest-physical. */
class TrappedOperationTest {
  private static final long READ = TranslatedGuest.violation(NestedFault.EPT_READ);
  private static final long WRITE = TranslatedGuest.violation(NestedFault.EPT_WRITE);

  /** The first frame behind the guest's memory: a device. */
  private static final long DEVICE = TranslatedGuest.FRAMES << 12;

  private final TranslatedGuest guest = new TranslatedGuest(P2mFormat.EPT);
  private final OperationBlock block = new OperationBlock(2);

  private static long user(long kind) {
    return Access.of(kind, true, false);
  }

  private static long ones(int bytes) {
    return -1L >>> 64 - 8 * bytes;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 8})
  void aDeviceReadsAllOnesAndForgetsWhatIsWritten(int bytes) {
    block.store(user(0), DEVICE + 0x123, bytes, 0x1122334455667788L);
    assertThat(guest.faulting(block, DEVICE + 0x123, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(block.reached()[0]).isEqualTo(OperationBlock.DEVICE | DEVICE + 0x123);
    block.clear();
    block.load(user(0), DEVICE + 0x123, bytes);
    assertThat(guest.faulting(block, DEVICE + 0x123, READ)).isEqualTo(RunResult.DONE);
    assertThat(block.results()[0]).isEqualTo(ones(bytes));
    assertThat(guest.machine.memory().framesInUse()).as("of tables only").isLessThan(20);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, Access.WRITE, Access.FETCH})
  void aProbeOfADeviceIsDoneAndMovesNothing(long kind) {
    block.operations()[0] = user(kind) | DEVICE + 0x30;
    block.moreOperands()[0] = 0x7777; // a workload that writes probes leaves other columns alone
    block.sizes()[0] = 8;
    block.size(1);
    assertThat(guest.faulting(block, DEVICE + 0x30, READ)).isEqualTo(RunResult.DONE);
    assertThat(block.reached()[0]).isEqualTo(OperationBlock.DEVICE | DEVICE + 0x30);
    assertThat(block.next()).isEqualTo(1);
  }

  /** Every way in which an access can straddle memory and the device behind it. */
  @Test
  void anAccessAcrossMemoryAndADeviceReachesItsPartOfEach() {
    for (int bytes : new int[] {2, 4, 8}) {
      for (int inMemory = 1; inMemory < bytes; inMemory++) {
        long at = DEVICE - inMemory;
        guest.domain.deviceStore(DEVICE - 8, 8, 0);
        block.clear();
        block.store(user(0), at, bytes, 0xA1A2A3A4A5A6A7A8L);
        assertThat(guest.faulting(block, DEVICE, WRITE)).isEqualTo(RunResult.DONE);
        long written = 0xA1A2A3A4A5A6A7A8L & ones(inMemory);
        assertThat(guest.domain.deviceLoad(DEVICE - 8, 8)).isEqualTo(written << 8 * (8 - inMemory));
        assertThat(block.reached()[0])
            .as("the first byte")
            .isEqualTo((guest.mfn(15) << 12) + 4096 - inMemory);
        block.clear();
        block.load(user(0), at, bytes);
        assertThat(guest.faulting(block, DEVICE, READ)).isEqualTo(RunResult.DONE);
        assertThat(block.results()[0]).isEqualTo((written | -1L << 8 * inMemory) & ones(bytes));
      }
    }
  }

  @Test
  void anAccessAcrossADeviceAndMemoryDoesTheSameTheOtherWayRound() {
    guest.p2m().remove(3, guest.mfn(3), 0);
    block.store(user(0), 0x3ffd, 8, 0x1122334455667788L);
    assertThat(guest.faulting(block, 0x3ffd, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(guest.domain.deviceLoad(0x4000, 8)).isEqualTo(0x1122334455L);
    assertThat(block.reached()[0]).isEqualTo(OperationBlock.DEVICE | 0x3ffd);
  }

  @Test
  void compareAndExchangeComparesWithWhatADeviceReads() {
    block.compareExchange(true, false, DEVICE, 4, -1, 5);
    assertThat(guest.faulting(block, DEVICE, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(block.results()[0]).isEqualTo(0xffffffffL);
  }

  @ParameterizedTest
  @ValueSource(longs = {0x5000, 0x5ffc})
  void compareAndExchangeInMemoryExchangesIfEqualAcrossFramesToo(long at) {
    guest.domain.deviceStore(0x5ff8, 8, 0x0807060500000000L);
    guest.domain.deviceStore(0x6000, 8, 0x0c0b0a09L);
    guest.domain.deviceStore(0x5000, 8, 0x0c0b0a0908070605L);
    block.compareExchange(true, false, at, 8, 1, 2);
    emulated(at);
    assertThat(block.results()[0]).isEqualTo(0x0c0b0a0908070605L);
    block.clear();
    block.compareExchange(true, false, at, 8, 0x0c0b0a0908070605L, 0x1817161514131211L);
    emulated(at);
    assertThat(block.results()[0]).isEqualTo(0x0c0b0a0908070605L);
    block.clear();
    block.load(user(0), at, 8);
    emulated(at);
    assertThat(block.results()[0]).isEqualTo(0x1817161514131211L);
  }

  /** Ordinary memory is emulated only because somebody says so. */
  private void emulated(long at) {
    guest.backend.nestedFaults = it -> it.emulate();
    assertThat(guest.faulting(block, at, WRITE)).isEqualTo(RunResult.DONE);
  }

  @ParameterizedTest
  @EnumSource(
      value = P2mType.class,
      names = {"RAM_RO"})
  void writesToReadOnlyMemoryAreThrownAway(P2mType type) {
    guest.domain.deviceStore(0x7000, 8, 42);
    assertThat(guest.p2m().changeType(7, P2mType.RAM_RW, type).isOk()).isTrue();
    block.store(user(0), 0x7000, 8, 43);
    assertThat(guest.faulting(block, 0x7000, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(block.reached()[0]).isEqualTo(guest.mfn(7) << 12);
    block.clear();
    block.compareExchange(true, false, 0x7000, 8, 42, 43);
    assertThat(guest.faulting(block, 0x7000, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(block.results()[0]).isEqualTo(42);
    assertThat(guest.domain.deviceLoad(0x7000, 8)).isEqualTo(42);
    guest.domain.deviceStore(0x7000, 8, 44);
    assertThat(guest.domain.deviceLoad(0x7000, 8)).as("devices may not either").isEqualTo(42);
  }

  @Test
  void brokenMemoryBehindAnAccessIsTheDomainsEndAndNothingIsWritten() {
    assertThat(guest.p2m().set(9, guest.mfn(9), 0, P2mType.RAM_BROKEN, P2mAccess.RWX).isOk())
        .isTrue();
    block.store(user(0), 0x8ffc, 8, -1);
    assertThat(guest.faulting(block, 0x9000, WRITE)).isEqualTo(RunResult.DEAD);
    assertThat(guest.domain.crashReason()).contains("0x9000", "RAM_BROKEN");
    assertThat(guest.machine.memory().load((guest.mfn(8) << 12) + 0xff8, 8)).isZero();
  }

  @Test
  void registerWritesReadTheirPdptesFromTheDeviceThatIsThere() {
    guest.vcpu.registers().cr4 = Cr4.PAE;
    guest.vcpu.registers().cr0 |= Cr0.PE | Cr0.PG;
    guest.vcpu.control().registers().set(guest.vcpu.registers());
    block.control(Kind.MOV_CR3, DEVICE);
    long load = NestedFault.EPT_READ;
    assertThat(guest.faulting(block, DEVICE, load)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu.faultVector()).as("all ones are no PDPTE").isEqualTo(Vector.GP);
  }

  @Test
  void linearAddressesWrapAt32BitsOutsideLongMode() {
    guest.p2m().remove(0, guest.mfn(0), 0);
    block.store(user(0), 0xffff_fffcL, 8, -1);
    assertThat(guest.faulting(block, 0xffff_fffcL, WRITE)).isEqualTo(RunResult.DONE);
    assertThat(block.reached()[0]).isEqualTo(OperationBlock.DEVICE | 0xffff_fffcL);
  }
}
