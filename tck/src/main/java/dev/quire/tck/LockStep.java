// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.Operation.Kind;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Vector;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Consumer;

/**
 * The same guest twice: under the backend that is tested, and on a bare machine that caches
 * nothing. Both do the same; whatever a guest can notice must be equal after each block.
 */
final class LockStep {
  private static final int CAPACITY = 64;

  private final World subject;
  private final World reference;
  private final OperationBlock subjectBlock = new OperationBlock(CAPACITY);
  private final OperationBlock referenceBlock = new OperationBlock(CAPACITY);
  private final BitSet written = new BitSet(Guest.FRAMES);
  private boolean mayDie;

  LockStep(WorldPlan plan, PagingBackend backend) {
    this.subject = World.of(plan, backend);
    this.reference = World.reference(plan);
  }

  /** The world under test. */
  World subject() {
    return subject;
  }

  /** The same guest on the bare machine. */
  World reference() {
    return reference;
  }

  /** Thrown when the domain under test has crashed and {@link #letDie may}. */
  static final class GuestDied extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /** From now on the domain under test may crash, for want of memory. */
  void letDie() {
    mayDie = true;
  }

  /** The frames that the guest or a device has written since the last call, by number. */
  BitSet takeWritten() {
    BitSet taken = (BitSet) written.clone();
    written.clear();
    return taken;
  }

  /** Has both write an entry of their tables, or anything else, as a device does. */
  void deviceStore(@Gpa long gpa, int bytes, long value) {
    subject.domain().deviceStore(gpa, bytes, value);
    reference.domain().deviceStore(gpa, bytes, value);
    written.set((int) Addresses.gpaToGfn(gpa));
  }

  /** The guest leaves its mode, builds tables of another and enters it, on every vCPU. */
  void become(GuestMode mode) {
    GuestMode old = subject.guest().mode();
    int vcpus = subject.domain().vcpus();
    for (int vcpu = 0; vcpu < vcpus; vcpu++) {
      run(vcpu, old::leave);
    }
    subject.rebuild(mode);
    reference.rebuild(mode);
    for (int vcpu = 0; vcpu < vcpus; vcpu++) {
      run(vcpu, block -> mode.enter(block, subject.guest().root(0)));
    }
  }

  /**
   * Runs the same operations in both worlds. A guest that must handle a fault goes on behind the
   * operation.
   */
  void run(int vcpu, Consumer<OperationBlock> program) {
    fill(subjectBlock, program);
    fill(referenceBlock, program);
    Vcpu tested = subject.vcpu(vcpu);
    Vcpu expected = reference.vcpu(vcpu);
    while (referenceBlock.next() < referenceBlock.size()) {
      RunResult outcome = expected.run(referenceBlock);
      RunResult own = tested.run(subjectBlock);
      if (own == RunResult.DEAD && mayDie) {
        throw new GuestDied();
      }
      assertEquals(outcome, own, () -> "outcome" + here(vcpu));
      assertEquals(
          referenceBlock.next(), subjectBlock.next(), () -> "how far it came" + here(vcpu));
      if (outcome == RunResult.FAULT) {
        compareFaults(expected, tested, vcpu);
        subjectBlock.next(subjectBlock.next() + 1);
        markFault(referenceBlock.next());
        referenceBlock.next(referenceBlock.next() + 1);
      }
    }
    compareResults(vcpu);
    compareRegisters(vcpu);
  }

  private static void fill(OperationBlock block, Consumer<OperationBlock> program) {
    block.clear();
    program.accept(block);
    Arrays.fill(block.reached(), FrameMapper.NONE);
  }

  private void markFault(int at) {
    referenceBlock.reached()[at] = FrameMapper.NONE;
    subjectBlock.reached()[at] = FrameMapper.NONE;
    subjectBlock.results()[at] = referenceBlock.results()[at];
  }

  private void compareFaults(Vcpu expected, Vcpu tested, int vcpu) {
    assertEquals(expected.faultVector(), tested.faultVector(), () -> "vector" + here(vcpu));
    if (expected.faultVector() == Vector.PF) {
      int code = expected.faultErrorCode();
      assertEquals(code, tested.faultErrorCode(), () -> "error code" + here(vcpu));
      long linear = expected.faultLinear();
      assertEquals(linear, tested.faultLinear(), () -> "faulting address" + here(vcpu));
    }
  }

  private void compareResults(int vcpu) {
    for (int at = 0; at < referenceBlock.size(); at++) {
      int operation = at;
      long result = referenceBlock.results()[at];
      assertEquals(result, subjectBlock.results()[at], () -> "result of " + operation + here(vcpu));
      long reached = referenceBlock.reached()[at];
      if (accesses(referenceBlock, at) && reached != FrameMapper.NONE) {
        compareReached(reached, at, vcpu);
      }
    }
  }

  private void compareReached(long reached, int at, int vcpu) {
    @Gpa long gpa = Addresses.identityMaddrToGpa(Addresses.maddr(reached));
    @Gfn long gfn = Addresses.gpaToGfn(gpa);
    long expected = Addresses.mfnToMaddr(subject.domain().gfnToMfn(gfn), Addresses.pageOffset(gpa));
    assertEquals(expected, subjectBlock.reached()[at], () -> "reached by " + at + here(vcpu));
    if (writes(referenceBlock, at)) {
      written.set((int) gfn);
      // a page-crossing write reaches the next linear page too, which the comparison of memory sees
    }
  }

  private static boolean accesses(OperationBlock block, int at) {
    long word = block.operations()[at];
    return !Operation.isControl(word) || Operation.kind(word) == Kind.COMPARE_EXCHANGE;
  }

  private static boolean writes(OperationBlock block, int at) {
    long word = block.operations()[at];
    return Operation.isControl(word) || (word & Access.WRITE) != 0;
  }

  private void compareRegisters(int vcpu) {
    Registers expected = reference.vcpu(vcpu).registers();
    Registers tested = subject.vcpu(vcpu).registers();
    assertEquals(expected.cr0, tested.cr0, () -> "CR0" + here(vcpu));
    assertEquals(expected.cr2, tested.cr2, () -> "CR2" + here(vcpu));
    assertEquals(expected.cr3, tested.cr3, () -> "CR3" + here(vcpu));
    assertEquals(expected.cr4, tested.cr4, () -> "CR4" + here(vcpu));
    assertEquals(expected.efer, tested.efer, () -> "EFER" + here(vcpu));
    assertEquals(expected.pkru, tested.pkru, () -> "PKRU" + here(vcpu));
  }

  /** Compares all of guest memory: data, tables, A and D bits. */
  void compareMemory() {
    for (long i = 0; i < Guest.FRAMES; i++) {
      @Gfn long gfn = Addresses.gfn(i);
      String what = "guest frame 0x" + Long.toHexString(i);
      assertArrayEquals(
          frame(reference.domain(), gfn),
          frame(subject.domain(), gfn),
          () -> subject + ": " + what);
    }
  }

  private static long[] frame(Domain domain, @Gfn long gfn) {
    return domain.machine().memory().frameToRead(domain.gfnToMfn(gfn));
  }

  /** What must hold at every safe point. */
  void audit() {
    subject.audit();
    subject.expectNothingStale();
  }

  private String here(int vcpu) {
    return ", vCPU " + vcpu + ", " + subject + ", " + subject.domain().crashReason();
  }
}
