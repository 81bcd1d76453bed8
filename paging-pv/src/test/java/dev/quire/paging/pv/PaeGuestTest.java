// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.DomainSpec;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.domain.RunResult;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.Efer;
import dev.quire.api.x86.ErrorCode;
import dev.quire.api.x86.PageEntry;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * A 32-bit guest on a 64-bit machine: its root has four entries and hangs below a level-4 table
 * that it never sees; its requests have the layout of 32 bits. Guest frames 0, 1 and 2 are its
 * root, the last level-2 table and a level-1 table that maps all of its frames from 3 GiB on.
 */
class PaeGuestTest {
  private static final int FRAMES = 64;
  private static final long BASE = 0xc0000000L;
  private static final long RO = PageEntry.P | PageEntry.A | PageEntry.D;
  private static final long RW = RO | PageEntry.RW;
  private static final long LIST = 40;
  private static final long A = 41;
  private static final long B = 42;
  private static final long C = 43;
  private static final int SELF = Batch.DOMID_SELF;
  private static final int EINVAL = -22;
  private static final int ENOSYS = -38;

  private final PvHost host = new PvHost();
  private final Domain domain =
      host.hypervisor.createDomain(
          new PvBackend(), DomainSpec.hvm(2, FRAMES), new Bare(), GuestPolicy.PLAIN);
  private final PvDomain pv = (PvDomain) Objects.requireNonNull(domain.guestInterface());
  private final OperationBlock block = new OperationBlock(8);

  /** Builds no more than tables. */
  private static final class Bare implements GuestInterface {
    @Override
    public String name() {
      return "bare";
    }

    @Override
    public String description() {
      return "32 bits";
    }

    @Override
    public Pagetables pagetables(
        FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner) {
      throw new UnsupportedOperationException();
    }

    @Override
    public InterfaceDomain take(DomainHost host) {
      PvDomain made =
          new PvDomain(
              host, () -> Patience.of(4096), EntryRules.SLOTS, GrantRules.XEN, TableFormat.PAE);
      Domain of = host.domain();
      PhysicalMemory memory = of.machine().memory();
      for (int gfn = 0; gfn < FRAMES; gfn++) {
        put(of, memory, 2, gfn, entry(of, gfn, gfn < 3 ? RO : RW));
      }
      put(of, memory, 1, 0, entry(of, 2, RW));
      put(of, memory, 0, 3, entry(of, 1, PageEntry.P));
      for (int number = 0; number < of.vcpus(); number++) {
        PvVcpu vcpu = made.vcpu(number);
        Registers registers = vcpu.vcpu().registers();
        registers.cr0 = Cr0.PG | Cr0.PE | Cr0.ET | Cr0.WP;
        registers.cr4 = Cr4.PAE | Cr4.PGE;
        registers.efer = Efer.LME | Efer.LMA | Efer.NXE;
        assertThat(vcpu.roots().begin(Addresses.mfn(of.gfnToMfn(Addresses.gfn(0)))).isOk())
            .isTrue();
      }
      return made;
    }

    private static void put(Domain of, PhysicalMemory memory, int gfn, int slot, long entry) {
      long table = of.gfnToMfn(Addresses.gfn(gfn));
      memory.store(Addresses.maddr(table << 12 | (long) slot << 3), 8, entry);
    }
  }

  @AfterEach
  void everyCountIsRight() {
    assertThat(domain.crashReason()).isNull();
    assertThat(pv.audit()).isEmpty();
    host.hypervisor.destroy(domain);
    host.hypervisor
        .frames()
        .forEachOwned(domain.id(), mfn -> assertThat(mfn).as("a frame outlives it").isNull());
  }

  // ---- what it does ----

  private static long entry(Domain of, long gfn, long flags) {
    return of.gfnToMfn(Addresses.gfn(gfn)) << 12 | flags;
  }

  private long entry(long gfn, long flags) {
    return entry(domain, gfn, flags);
  }

  private static @Gva long va(long gfn, long offset) {
    return Addresses.gva(BASE + (gfn << 12) + offset);
  }

  private RunResult store(@Gva long linear, int bytes, long value) {
    block.clear();
    block.store(Access.of(0, false, false), linear, bytes, value);
    return domain.vcpu(0).run(block);
  }

  private void put(long gfn, long offset, int bytes, long value) {
    assertThat(store(va(gfn, offset), bytes, value)).isEqualTo(RunResult.DONE);
  }

  private long load(@Gva long linear) {
    block.clear();
    block.load(Access.of(0, false, false), linear, 8);
    assertThat(domain.vcpu(0).run(block)).isEqualTo(RunResult.DONE);
    return block.results()[0];
  }

  private long call(int number, long... arguments) {
    block.clear();
    long[] all = java.util.Arrays.copyOf(arguments, 5);
    block.hypercall(number, all[0], all[1], all[2], all[3], all[4]);
    assertThat(domain.vcpu(0).run(block)).isEqualTo(RunResult.DONE);
    return block.results()[0];
  }

  private long extended(int command, long first) {
    put(LIST, 0, 4, command);
    put(LIST, 4, 4, first);
    put(LIST, 8, 4, 0);
    return call(26, va(LIST, 0), 1, 0, SELF);
  }

  private long remap(@Gva long linear, long entry) {
    long high = entry >>> 32 | 0xabcdL << 48; // a 32-bit guest's registers have no more
    return call(14, linear, entry & 0xffffffffL, high, 2);
  }

  private FrameType type(long gfn) {
    return FrameWords.type(host.hypervisor.frames().typeWord(Addresses.mfn(entry(gfn, 0) >>> 12)));
  }

  // ---- what it sees ----

  @Test
  void runsOnItsTablesBelowOneThatIsNotItsOwn() {
    put(A, 8, 8, 5);
    assertThat(load(va(A, 8))).isEqualTo(5);
    long hardware = domain.vcpu(0).control().registers().cr3;
    assertThat(host.hypervisor.frames().owner(Addresses.mfn(hardware >>> 12)))
        .as("whose the level-4 table is")
        .isEqualTo(FrameTable.NOBODY);
    block.clear();
    block.probe(Access.of(0, true, false), va(A, 0));
    assertThat(domain.vcpu(0).run(block)).isEqualTo(RunResult.FAULT);
    assertThat(domain.vcpu(0).faultErrorCode()).isEqualTo(ErrorCode.U | ErrorCode.P);
    assertThat(store(va(2, 0), 8, 0)).as("a table").isEqualTo(RunResult.FAULT);
    assertThat(domain.vcpu(0).faultErrorCode()).isEqualTo(ErrorCode.W | ErrorCode.P);
  }

  @Test
  void anEntryComesInTwoHalves() {
    assertThat(remap(va(A, 0), entry(B, RW | PageEntry.NX))).isZero();
    put(B, 0, 8, 7);
    assertThat(load(va(A, 0))).isEqualTo(7);
    assertThat(remap(va(A, 0), entry(2, RW))).as("a table, writable").isEqualTo(-16);
    assertThat(remap(Addresses.gva(0xf5800000L), entry(B, RW))).isEqualTo(EINVAL);
  }

  @Test
  void goesToAnotherRootAndBack() {
    put(C, 24, 8, entry(1, PageEntry.P));
    assertThat(remap(va(C, 0), entry(C, RO))).isZero();
    assertThat(extended(2, entry(C, 0) >>> 12))
        .as("its last table is the first's")
        .isEqualTo(EINVAL);
    assertThat(remap(va(C, 0), entry(C, RW))).isZero();
    put(B, 0, 8, entry(2, RW));
    put(C, 24, 8, entry(B, PageEntry.P));
    put(C, 8, 8, entry(A, PageEntry.P)); // and from 1 GiB on a level-2 table that is empty
    for (long table : new long[] {A, B, C}) {
      assertThat(remap(va(table, 0), entry(table, RO))).isZero();
    }
    assertThat(extended(2, entry(C, 0) >>> 12)).isZero();
    long before = domain.vcpu(0).registers().cr3;
    assertThat(extended(5, entry(C, 0) >>> 12)).isZero();
    assertThat(domain.vcpu(0).registers().cr3).isEqualTo(before);
    put(LIST, 0, 8, 99);
    assertThat(type(C)).isEqualTo(FrameType.L3);
    assertThat(extended(4, entry(C, 0) >>> 12)).isZero();
    assertThat(type(C)).as("the vCPU holds it").isEqualTo(FrameType.L3);
    assertThat(extended(5, entry(0, 0) >>> 12)).isZero();
    assertThat(remap(va(C, 0), entry(C, RW))).as("nobody does any more").isZero();
  }

  @Test
  void anUpdateHasTheLayoutOf64Bits() {
    put(LIST, 0, 8, entry(2, 0) | A << 3);
    put(LIST, 8, 8, entry(B, RW));
    assertThat(call(1, va(LIST, 0), 1, va(LIST, 64), SELF)).isZero();
    put(B, 0, 8, 3);
    assertThat(extended(6, 0)).isZero();
    assertThat(load(va(A, 0))).isEqualTo(3);
    put(LIST, 0, 8, entry(1, 0) | 428L << 3);
    assertThat(call(1, va(LIST, 0), 1, 0, SELF)).as("the hypervisor's slots").isEqualTo(-1);
  }

  @Test
  void halvesOfAnEntryMayBeStoredInEitherOrder() {
    assertThat(call(21, 0, 2)).isZero();
    assertThat(remap(va(A, 0), entry(A, RW))).isZero();
    long slot = A << 3;
    put(2, slot + 4, 4, 0x00ff0000L); // no such frame: not present until the other half comes
    assertThat(store(va(A, 0), 8, 1)).isEqualTo(RunResult.FAULT);
    put(2, slot + 4, 4, 0);
    put(2, slot, 4, entry(B, RW));
    assertThat(store(va(A, 0), 8, 4)).isEqualTo(RunResult.DONE);
    assertThat(load(va(B, 0))).isEqualTo(4);
    assertThat(store(va(2, slot), 4, entry(1, RW))).as("a table").isEqualTo(RunResult.FAULT);
  }

  @Test
  void callsThatThereAreNotSaySo() {
    assertThat(call(12, 0, 0)).isEqualTo(ENOSYS);
    assertThat(extended(15, entry(0, 0) >>> 12)).isEqualTo(EINVAL);
    assertThat(call(21, 0, 32)).as("m2p_strict is for 64 bits").isEqualTo(EINVAL);
    assertThat(call(21, 0, 3)).isZero();
    assertThat(extended(3, entry(C, 0) >>> 12)).as("level 4").isZero();
    assertThat(type(C)).isEqualTo(FrameType.WRITABLE);
  }
}
