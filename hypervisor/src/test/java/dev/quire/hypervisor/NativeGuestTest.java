// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.HwEvent;
import dev.quire.api.hw.Machine;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Vendor;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.PageEntry;
import dev.quire.api.x86.Translation;
import dev.quire.api.x86.Vector;
import dev.quire.hypervisor.nativepaging.NativeBackend;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Guests of the native backend on the real machine, without caches and with very small ones. */
class NativeGuestTest {
  private static Machine machine(boolean caches, int cpus) {
    MachineSpec spec = MachineSpec.bare(CpuProfile.full(Vendor.INTEL, 40)).withCpus(cpus);
    return SmallGuest.machines()
        .create(
            caches ? spec.withTlb(SmallGuest.machines().presets().get("tiny").geometry()) : spec);
  }

  private static SmallGuest guest(boolean caches) {
    MachineHypervisor hypervisor = new MachineHypervisor(machine(caches, 1));
    SmallGuest guest =
        new SmallGuest(
            hypervisor.createDomain(new NativeBackend(), Specs.identity(1, 0, SmallGuest.FRAMES)));
    guest.boot(0);
    return guest;
  }

  private static void expectNoExits(SmallGuest guest) {
    for (ExitReason reason : ExitReason.values()) {
      assertThat(guest.vcpu().exits(reason)).as("%s", reason).isZero();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aGuestBootsRunsAndIsNeverSeen(boolean caches) {
    SmallGuest guest = guest(caches);
    Registers registers = guest.vcpu().registers();
    assertThat(registers.cr0).isEqualTo(Cr0.PE | Cr0.PG | Cr0.WP | Cr0.ET);
    assertThat(registers.cr4).isEqualTo(Cr4.PAE | Cr4.PGE);
    assertThat(registers.efer).isEqualTo(Efer.LME | Efer.LMA | Efer.NXE);
    assertThat(registers.cr3).isZero();
    assertThat(guest.run(0, SmallGuest.stores(100))).isEqualTo(RunResult.DONE);
    for (int i = SmallGuest.TABLES; i < SmallGuest.FRAMES; i++) {
      assertThat(guest.domain.deviceLoad(guest.frame(i), 8)).isEqualTo(100 + i);
      long entry = guest.domain.deviceLoad(guest.entryOf(i), 8);
      assertThat(entry & (PageEntry.A | PageEntry.D)).isEqualTo(PageEntry.A | PageEntry.D);
    }
    expectNoExits(guest);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aFaultIsTheGuestsToHandleAndTheBlockGoesOnBehindIt(boolean caches) {
    SmallGuest guest = guest(caches);
    guest.domain.deviceStore(guest.entryOf(9), 8, guest.frame(9) | PageEntry.P | PageEntry.US);
    OperationBlock block = SmallGuest.stores(100);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu().faultVector()).isEqualTo(Vector.PF);
    assertThat(guest.vcpu().faultErrorCode()).isEqualTo(ErrorCode.P | ErrorCode.W | ErrorCode.U);
    assertThat(guest.vcpu().faultLinear()).isEqualTo(SmallGuest.linear(9));
    assertThat(guest.vcpu().registers().cr2).isEqualTo(SmallGuest.linear(9));
    assertThat(block.next()).isEqualTo(9 - SmallGuest.TABLES);
    guest.domain.deviceStore(guest.entryOf(9), 8, guest.frame(9) | SmallGuest.FLAGS);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(guest.domain.deviceLoad(guest.frame(15), 8)).isEqualTo(115);
    expectNoExits(guest);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anIllegalRegisterWriteIsTheGuestsFaultAndChangesNothing(boolean caches) {
    SmallGuest guest = guest(caches);
    OperationBlock block = new OperationBlock(1);
    block.control(Kind.MOV_CR4, 0);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.FAULT);
    assertThat(guest.vcpu().faultVector()).isEqualTo(Vector.GP);
    assertThat(guest.vcpu().registers().cr4).isEqualTo(Cr4.PAE | Cr4.PGE);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSoftwareWalkSaysWhatTheHardwareDoesWhateverTheTablesHold(boolean caches) {
    SmallGuest guest = guest(caches);
    Random random = new Random(11);
    OperationBlock block = new OperationBlock(2);
    int faults = 0;
    for (int i = 0; i < 4000; i++) {
      int number = SmallGuest.TABLES + random.nextInt(SmallGuest.FRAMES - SmallGuest.TABLES);
      long flags = random.nextLong() & (PageEntry.P | PageEntry.RW | PageEntry.US | PageEntry.NX);
      guest.domain.deviceStore(guest.entryOf(number), 8, guest.frame(number) | flags);
      long linear = SmallGuest.linear(number) | random.nextInt(4096);
      long kind = new long[] {0, Access.WRITE, Access.FETCH}[random.nextInt(3)];
      long access = Access.of(kind, random.nextBoolean(), false);
      long expected = guest.vcpu().translate(linear, access, null);
      block.clear();
      block.control(Kind.INVLPG, linear);
      block.probe(access, linear);
      if (guest.run(0, block) == RunResult.DONE) {
        assertThat(Translation.isFault(expected)).isFalse();
        assertThat(block.reached()[1]).isEqualTo(Translation.address(expected, linear, 12));
      } else {
        faults++;
        assertThat(guest.vcpu().fault()).isEqualTo(expected);
      }
    }
    assertThat(faults).isBetween(1000, 3600);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSoftwareWalkCountsAndChangesNothing(boolean caches) {
    SmallGuest guest = guest(caches);
    Machine machine = guest.domain.machine();
    long walks = machine.cpu(0).counters().get(HwEvent.WALKS);
    long before = guest.domain.deviceLoad(guest.entryOf(5), 8);
    WalkTrace trace = new WalkTrace();
    guest.vcpu().translate(SmallGuest.linear(5), Access.WRITE, trace);
    assertThat(trace.steps()).hasSize(4);
    assertThat(guest.domain.deviceLoad(guest.entryOf(5), 8)).isEqualTo(before);
    assertThat(machine.cpu(0).counters().get(HwEvent.WALKS)).isEqualTo(walks);
  }

  /** More guests than tags, all at the same linear addresses, on one CPU that keeps what it can. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void guestsThatShareACpuNeverUseEachOthersTranslations(boolean caches) {
    MachineHypervisor hypervisor = new MachineHypervisor(machine(caches, 1));
    SmallGuest[] guests = new SmallGuest[100];
    for (int i = 0; i < guests.length; i++) {
      guests[i] =
          new SmallGuest(
              hypervisor.createDomain(
                  new NativeBackend(),
                  Specs.identity(1, (long) i * SmallGuest.FRAMES, SmallGuest.FRAMES)));
      guests[i].boot(0);
    }
    Random random = new Random(13);
    for (int i = 0; i < 3000; i++) {
      int at = random.nextInt(random.nextBoolean() ? 3 : guests.length);
      SmallGuest guest = guests[at];
      assertThat(guest.run(0, SmallGuest.stores(i))).isEqualTo(RunResult.DONE);
      for (int frame = SmallGuest.TABLES; frame < SmallGuest.FRAMES; frame++) {
        assertThat(guest.domain.deviceLoad(guest.frame(frame), 8)).isEqualTo(i + frame);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aGuestThatLeavesLongModeIsFollowed(boolean caches) {
    SmallGuest guest = guest(caches);
    assertThat(guest.domain.paging()).isNotNull();
    OperationBlock block = new OperationBlock(8);
    block.control(Kind.MOV_CR0, Cr0.PE);
    block.control(Kind.WRMSR_EFER, 0);
    block.store(0, 0x5008, 4, 77);
    assertThat(guest.run(0, block)).isEqualTo(RunResult.DONE);
    assertThat(guest.vcpu().registers().efer).isZero();
    assertThat(guest.domain.deviceLoad(0x5008, 4)).isEqualTo(77);
    assertThat(Translation.frame(guest.vcpu().translate(0x5008, 0, null))).isEqualTo(0x5000);
    expectNoExits(guest);
  }
}
