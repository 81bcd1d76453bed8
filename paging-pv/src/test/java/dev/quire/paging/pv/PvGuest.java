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
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import java.util.List;
import java.util.Objects;

/**
 * A PV guest that runs on a machine: what its kernel does, as operations of a vCPU. Pages are named
 * by their guest frames; the first ones hold what the builder has made.
 */
final class PvGuest {
  static final long PRESENT = PageEntry.P | PageEntry.US | PageEntry.A | PageEntry.D;
  static final long WRITABLE = PRESENT | PageEntry.RW;
  private static final long SELF = Batch.DOMID_SELF;

  final Domain domain;
  final PvDomain pv;
  private final OperationBlock block = new OperationBlock(16);

  PvGuest(Domain domain) {
    this.domain = domain;
    pv = (PvDomain) Objects.requireNonNull(domain.guestInterface());
  }

  /** The frame table of its machine. */
  FrameTable frames() {
    return host().frames();
  }

  DomainHost host() {
    return pv.host();
  }

  static DomainSpec spec(int vcpus, long frames) {
    return DomainSpec.hvm(vcpus, frames);
  }

  // ---- places ----

  long mfn(long gfn) {
    return domain.gfnToMfn(Addresses.gfn(gfn));
  }

  static @Gva long va(long gfn) {
    return va(gfn, 0);
  }

  static @Gva long va(long gfn, long quadword) {
    return Addresses.gva(StartInfo.BASE + (gfn << 12) + (quadword << 3));
  }

  long entry(long gfn, long flags) {
    return mfn(gfn) << 12 | flags;
  }

  /** The machine address of an entry of a table. */
  long slot(long gfn, long index) {
    return mfn(gfn) << 12 | index << 3;
  }

  /** Guest frame of the bootstrap table of a level, of which small guests have one each. */
  long bootTable(int level) {
    long root = load(0, va(0, StartInfo.PAGETABLES >>> 3)) - StartInfo.BASE >>> 12;
    return root + 4 - level;
  }

  FrameType type(long gfn) {
    return FrameWords.type(frames().typeWord(Addresses.mfn(mfn(gfn))));
  }

  long typeCount(long gfn) {
    return FrameWords.typeCount(frames().typeWord(Addresses.mfn(mfn(gfn))));
  }

  long count(long gfn) {
    return FrameWords.count(frames().countWord(Addresses.mfn(mfn(gfn))));
  }

  List<String> audit() {
    return pv.audit();
  }

  // ---- what the kernel does ----

  RunResult run(int vcpu) {
    return domain.vcpu(vcpu).run(block);
  }

  long load(int vcpu, @Gva long linear) {
    block.clear();
    int at = block.load(Access.of(0, false, false), linear, 8);
    assertThat(run(vcpu)).as("load of 0x%x", linear).isEqualTo(RunResult.DONE);
    return block.results()[at];
  }

  /** A store; the result says whether it faulted. */
  RunResult store(int vcpu, @Gva long linear, long value) {
    return store(vcpu, linear, 8, value);
  }

  RunResult store(int vcpu, @Gva long linear, int bytes, long value) {
    block.clear();
    block.store(Access.of(0, false, false), linear, bytes, value);
    return run(vcpu);
  }

  /** Compare-and-exchange; answers the value before. */
  long exchange(int vcpu, @Gva long linear, long expected, long replacement) {
    block.clear();
    int at = block.compareExchange(false, false, linear, 8, expected, replacement);
    assertThat(run(vcpu)).isEqualTo(RunResult.DONE);
    return block.results()[at];
  }

  RunResult access(int vcpu, @Gva long linear, boolean write, boolean user) {
    block.clear();
    block.probe(Access.of(write ? Access.WRITE : 0, user, false), linear);
    return run(vcpu);
  }

  RunResult control(int vcpu, Kind kind, long operand) {
    block.clear();
    block.control(kind, operand);
    return run(vcpu);
  }

  Vcpu vcpu(int number) {
    return domain.vcpu(number);
  }

  long call(int vcpu, Hypercalls.CallNumber number, long... arguments) {
    long[] all = java.util.Arrays.copyOf(arguments, 5);
    block.clear();
    int at = block.hypercall(number.number(), all[0], all[1], all[2], all[3], all[4]);
    RunResult result = run(vcpu);
    assertThat(result).as("%s: %s", number, domain.crashReason()).isEqualTo(RunResult.DONE);
    return block.results()[at];
  }

  /** Why the last call of the first vCPU was refused. */
  PvRule refusal() {
    return pv.vcpu(0).refusal();
  }

  // ---- calls, with lists in a page of the guest's ----

  /** Requests of {@code mmu_update}: pairs of pointer and value, in a page of the guest. */
  long mmuUpdate(int vcpu, long page, long domain, long... requests) {
    fill(vcpu, page, requests);
    return call(
        vcpu, Hypercalls.CallNumber.MMU_UPDATE, va(page), requests.length / 2, done(page), domain);
  }

  long mmuUpdate(long page, long... requests) {
    return mmuUpdate(0, page, SELF, requests);
  }

  /** One operation of {@code mmuext_op}. */
  long extended(int vcpu, long page, long command, long first, long second) {
    return extended(vcpu, page, SELF, new long[] {command, first, second});
  }

  long extended(long page, long command, long first) {
    return extended(0, page, command, first, 0);
  }

  long extended(int vcpu, long page, long domain, long[] requests) {
    fill(vcpu, page, requests);
    return call(
        vcpu, Hypercalls.CallNumber.MMUEXT_OP, va(page), requests.length / 3, done(page), domain);
  }

  long pin(long page, long gfn, int level) {
    return extended(page, level - 1, mfn(gfn));
  }

  long unpin(long page, long gfn) {
    return extended(page, 4, mfn(gfn));
  }

  /** {@code update_va_mapping} with a local INVLPG. */
  long remap(int vcpu, @Gva long linear, long entry) {
    return call(vcpu, Hypercalls.CallNumber.UPDATE_VA_MAPPING, linear, entry, 2);
  }

  /** Makes a page of the guest's read-only in its own mapping, so that it can become a table. */
  void protect(long gfn) {
    assertThat(remap(0, va(gfn), entry(gfn, PRESENT))).isZero();
  }

  void unprotect(long gfn) {
    assertThat(remap(0, va(gfn), entry(gfn, WRITABLE))).isZero();
  }

  /** Where the number of requests done is written: the last quadword of the page of requests. */
  static @Gva long done(long page) {
    return va(page, 511);
  }

  long doneCount(int vcpu, long page) {
    return load(vcpu, done(page)) & 0xffffffffL;
  }

  void fill(int vcpu, long page, long... quadwords) {
    for (int i = 0; i < quadwords.length; i++) {
      assertThat(store(vcpu, va(page, i), quadwords[i])).isEqualTo(RunResult.DONE);
    }
  }

  /** A root like the bootstrap one, in a page; other levels are shared with it. */
  void copyRoot(long to, long page) {
    long root = bootTable(4);
    for (int slot = 0; slot < 512; slot++) {
      long entry = load(0, va(root, slot));
      if (TableFormat.LONG.isGuestSlot(FrameWords.of(FrameType.L4), slot, 512) && entry != 0) {
        assertThat(store(0, va(to, slot), entry)).isEqualTo(RunResult.DONE);
      }
    }
    protect(to);
    assertThat(pin(page, to, 4)).isZero();
  }

  /** A policy that lets a domain act for all others. */
  static GuestPolicy privileged() {
    return new GuestPolicy() {
      @Override
      public boolean isPrivilegedOver(int owner) {
        return true;
      }
    };
  }
}
