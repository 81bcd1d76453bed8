// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Vector;
import dev.quire.guest.disturb.Disturber;
import org.jspecify.annotations.Nullable;

/**
 * Runs what the guest did, in blocks, and compares where each access ended with where the recording
 * says it did: a physical address or a page fault.
 *
 * <p>Operations are collected until the block is full, or until somebody wants to see what they did
 * ({@link #run}).
 */
final class GuestCpu {
  private static final int CAPACITY = 4096;

  /** In the column of expectations: nothing to expect. */
  private static final long NOTHING = -1;

  /** In the column of expectations: a page fault with the error code in the low half. */
  private static final long FAULT = Long.MIN_VALUE;

  private final Domain domain;
  private final Vcpu vcpu;
  private final Differences differences;
  private final OperationBlock block = new OperationBlock(CAPACITY);
  private final long[] expected = new long[CAPACITY];
  private final RecordNumbers records = new RecordNumbers(CAPACITY);
  private final ReachedAddresses addresses;
  private @Nullable Disturber disturber;
  private long record;
  private boolean dead;

  GuestCpu(Domain domain, DifferenceLog log) {
    this.domain = domain;
    vcpu = domain.vcpu(0);
    differences = new Differences(vcpu, log);
    addresses = new ReachedAddresses(domain);
  }

  /** From now on, somebody disturbs the guest between operations. */
  void disturbedBy(@Nullable Disturber by) {
    disturber = by;
  }

  Vcpu vcpu() {
    return vcpu;
  }

  /** Whether the domain has crashed, so that nothing runs any more. */
  boolean isDead() {
    return dead;
  }

  // ---- collecting ----

  /** How many operations wait. */
  int size() {
    return block.size();
  }

  int capacity() {
    return CAPACITY;
  }

  /** Where probes may be written, from {@link #size} on; then say {@link #added}. */
  long[] operations() {
    return block.operations();
  }

  /** Where the guest-physical addresses that they must reach belong. */
  long[] expected() {
    return expected;
  }

  /**
   * Takes probes that were written straight into the columns.
   *
   * @param size the new size
   * @param lastRecord of the last of them; the others come from the records before it
   */
  void added(int size, long lastRecord) {
    int first = block.size();
    records.add(first, lastRecord - (size - first) + 1);
    block.size(size);
  }

  /** A probe that must reach {@code gpa}. */
  void probe(long operation, @Gpa long gpa, long record) {
    add(operation, gpa, record);
  }

  /** A probe that must end in a page fault with this error code. */
  void faultingProbe(long operation, int errorCode, long record) {
    add(operation, FAULT | errorCode & 0xFFFF_FFFFL, record);
  }

  private void add(long operation, long expectation, long record) {
    int at = next(record);
    block.operations()[at] = operation;
    block.size(at + 1);
    expected[at] = expectation;
  }

  /** A store that must reach {@code gpa}. */
  void store(long access, @Gva long linear, int bytes, long value, @Gpa long gpa, long record) {
    int at = next(record);
    block.store(access, linear, bytes, value);
    expected[at] = gpa;
  }

  /** A register write or an invalidation. */
  void control(Operation.Kind kind, long operand, long second, long record) {
    int at = next(record);
    block.control(kind, operand, second);
    expected[at] = NOTHING;
    block.reached()[at] = NOTHING;
  }

  private int next(long record) {
    if (block.isFull()) {
      run();
    }
    records.add(block.size(), record);
    return block.size();
  }

  /** Takes back the operation that was added last, which has not run yet. */
  void takeBack() {
    block.size(block.size() - 1);
  }

  // ---- running ----

  /** Runs what waits, and compares. */
  void run() {
    int size = block.size();
    int done = 0;
    while (done < size && !dead) {
      int end = disturber == null ? size : disturber.before(expected, done, size);
      block.size(end);
      run(done, end);
      if (disturber != null && !dead) {
        record = records.of(end - 1);
        if (disturber.after(block, expected, done, end)) {
          addresses.forget();
        }
      }
      done = end;
    }
    block.clear();
    records.clear();
  }

  private void run(int from, int to) {
    int done = from;
    while (done < to && !dead) {
      RunResult result = vcpu.run(block);
      int stopped = result == RunResult.DONE ? to : block.next();
      compare(done, stopped);
      done = stopped;
      switch (result) {
        case DONE -> {}
        case FAULT -> {
          faulted(done++);
          block.next(done);
        }
        case BLOCKED, DEAD -> die(result, done);
      }
    }
  }

  /** The record of the operation that ran last, while the guest is disturbed. */
  long record() {
    return record;
  }

  /**
   * Runs what waits except the last operation, if that is a write: a store that belongs to it may
   * follow in the recording.
   */
  void runKeepingLastWrite() {
    int last = block.size() - 1;
    long operation = block.operations()[last];
    if ((operation & Access.WRITE) == 0) {
      run();
      return;
    }
    long expectation = expected[last];
    long record = records.of(last);
    takeBack();
    run();
    add(operation, expectation, record);
  }

  /**
   * Where the guest runs on the bare machine, the machine's addresses are the recording's, and a
   * comparison is all. Otherwise, and in the few cases that differ, they are taken back to the
   * guest's first.
   */
  private void compare(int from, int to) {
    long[] reached = block.reached();
    boolean translated = domain.isTranslated();
    for (int i = from; i < to; i++) {
      if ((translated || reached[i] != expected[i])
          && expected[i] != NOTHING
          && addresses.guestPhysical(reached[i]) != expected[i]) {
        differs(i);
      }
    }
  }

  private void differs(int i) {
    String got = addresses.describe(block.reached()[i]);
    differences.add(block, i, records.of(i), got, wanted(i));
  }

  private String wanted(int i) {
    if (expected[i] == NOTHING) {
      return "that it is done";
    }
    return expected[i] < 0
        ? Differences.fault(Vector.PF, (int) expected[i])
        : String.format("0x%x", expected[i]);
  }

  private void faulted(int i) {
    int vector = vcpu.faultVector();
    int code = vcpu.faultErrorCode();
    boolean same = vector == Vector.PF && expected[i] == (FAULT | code & 0xFFFF_FFFFL);
    if (!same) {
      String got = Differences.fault(vector, code);
      differences.add(block, i, records.of(i), got, wanted(i));
    }
  }

  private void die(RunResult result, int i) {
    dead = true;
    String why = result == RunResult.DEAD ? domain.crashReason() : "the vCPU waits for ever";
    differences.add(block, i, records.of(i), "the domain died: " + why, wanted(i));
  }
}
