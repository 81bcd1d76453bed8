// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gva;
import dev.quire.api.x86.Access;
import java.util.Arrays;

/**
 * Operations of one vCPU in program order, in columns of primitive arrays; the unit in which a
 * workload hands work to {@link dev.quire.api.domain.Vcpu#run}. A workload fills a block, has it
 * run until it is done, reads the columns, clears it and fills it again. Not safe for use by
 * several threads.
 *
 * <p>{@link #next} is where execution goes on; operations before it are wholly done, those from it
 * on are not begun.
 *
 * <pre>{@code
 * block.clear();
 * block.probe(Access.of(Access.WRITE, true, false), va);
 * block.store(Access.of(0, false, true), va, 8, entry);
 * block.control(Operation.Kind.INVLPG, va);
 * }</pre>
 */
public final class OperationBlock {
  /** In the column of what was reached: the rest is the guest-physical address of a device. */
  public static final long DEVICE = 1L << 62;

  /** How many arguments a hypercall has at most. */
  public static final int ARGUMENTS = 5;

  private final long[] operations;
  private final long[] operands;
  private final long[] moreOperands;
  private final byte[] sizes;
  private final long[] results;
  private final long[] reached;

  /** Of hypercalls, in rows; as long as the most that a block of this one has ever held. */
  private long[] arguments = new long[0];

  private int hypercalls;
  private int size;
  private int next;

  /**
   * An empty block.
   *
   * @param capacity how many operations it can hold; 4096 is a good number
   */
  public OperationBlock(int capacity) {
    operations = new long[capacity];
    operands = new long[capacity];
    moreOperands = new long[capacity];
    sizes = new byte[capacity];
    results = new long[capacity];
    reached = new long[capacity];
  }

  /** Makes the block empty. */
  public void clear() {
    size = 0;
    next = 0;
    hypercalls = 0;
  }

  /** How many operations the block can hold. */
  public int capacity() {
    return operations.length;
  }

  /** How many operations it holds. */
  public int size() {
    return size;
  }

  /** Whether another operation would not fit. */
  public boolean isFull() {
    return size == operations.length;
  }

  /** Index of the first operation that is not done. */
  public int next() {
    return next;
  }

  /**
   * Says how far execution came; for the CPU, and for whoever completes an operation in its place.
   */
  public void next(int index) {
    next = index;
  }

  /**
   * Takes operations that were written straight into {@link #operations}: all of them probes.
   *
   * @param count the new size
   */
  public void size(int count) {
    size = count;
  }

  /**
   * Adds a probe: translate, check rights, set A and D, move no data.
   *
   * @param access flags of {@link Access}
   * @param linear linear address
   * @return its index
   */
  public int probe(long access, @Gva long linear) {
    return add(access, linear, 0, 0);
  }

  /**
   * Adds a load; its value will be in {@link #results}, zero-extended.
   *
   * @param access flags of {@link Access}, without {@link Access#WRITE}
   * @param linear linear address
   * @param bytes 1, 2, 4 or 8
   * @return its index
   */
  public int load(long access, @Gva long linear, int bytes) {
    return add(access | Operation.DATA, linear, bytes, 0);
  }

  /**
   * Adds a store.
   *
   * @param access flags of {@link Access}; {@link Access#WRITE} is added
   * @param linear linear address
   * @param bytes 1, 2, 4 or 8
   * @param value what to store
   * @return its index
   */
  public int store(long access, @Gva long linear, int bytes, long value) {
    return add(access | Access.WRITE | Operation.DATA, linear, bytes, value);
  }

  /**
   * Adds a locked compare-and-exchange; the value before will be in {@link #results}.
   *
   * @param user whether it is a user-mode access
   * @param alignmentCheck EFLAGS.AC
   * @param linear linear address
   * @param bytes 1, 2, 4 or 8
   * @param expected what must be there
   * @param replacement what to put in its place
   * @return its index
   */
  public int compareExchange(
      boolean user,
      boolean alignmentCheck,
      @Gva long linear,
      int bytes,
      long expected,
      long replacement) {
    long flags = Access.of(0, user, alignmentCheck) | Operation.DATA;
    int at = append(Operation.control(Operation.Kind.COMPARE_EXCHANGE) | flags, expected, linear);
    sizes[at] = (byte) bytes;
    results[at] = replacement;
    return at;
  }

  /**
   * Adds a control operation.
   *
   * @param kind what it does
   * @param operand its operand, see {@link Operation.Kind}
   * @return its index
   */
  public int control(Operation.Kind kind, long operand) {
    return append(Operation.control(kind), operand, 0);
  }

  /**
   * Adds a control operation with two operands.
   *
   * @param kind {@link Operation.Kind#INVPCID} or {@link Operation.Kind#LOAD_PDPTE}
   * @return its index
   */
  public int control(Operation.Kind kind, long operand, long second) {
    return append(Operation.control(kind), operand, second);
  }

  /**
   * Adds a hypercall with its registers (on x86-64 RAX; RDI, RSI, RDX, R10, R8); what it answers
   * will be in {@link #results}.
   *
   * @param number which call
   * @return its index
   */
  public int hypercall(long number, long first, long second, long third, long fourth, long fifth) {
    int row = hypercalls * ARGUMENTS;
    if (row == arguments.length) {
      arguments = Arrays.copyOf(arguments, Math.max(ARGUMENTS, 2 * row));
    }
    arguments[row] = first;
    arguments[row + 1] = second;
    arguments[row + 2] = third;
    arguments[row + 3] = fourth;
    arguments[row + 4] = fifth;
    int at = append(Operation.control(Operation.Kind.HYPERCALL), number, hypercalls + 1);
    hypercalls++;
    return at;
  }

  /**
   * An argument of a hypercall.
   *
   * @param at index of the operation
   * @param which from 0
   * @return 0 if it was added without any
   */
  public long argument(int at, int which) {
    int row = (int) moreOperands[at] - 1;
    return row < 0 ? 0 : arguments[row * ARGUMENTS + which];
  }

  /**
   * Changes an argument, as a hypervisor does that wants a call to be made again from where it
   * stopped.
   */
  public void argument(int at, int which, long value) {
    arguments[((int) moreOperands[at] - 1) * ARGUMENTS + which] = value;
  }

  private int add(long access, @Gva long linear, int bytes, long operand) {
    boolean fits = Operation.fits(linear);
    long word = Operation.access(access, linear) | (fits ? 0 : Operation.WIDE);
    int at = append(word, operand, linear);
    sizes[at] = (byte) bytes;
    return at;
  }

  private int append(long word, long operand, long second) {
    if (size == operations.length) {
      throw new IllegalStateException("the block is full: " + size + " operations");
    }
    operations[size] = word;
    operands[size] = operand;
    moreOperands[size] = second;
    return size++;
  }

  /**
   * The operations, packed as {@link Operation} says; a workload may write probes straight into it.
   */
  public long[] operations() {
    return operations;
  }

  /** First operands: the value of a store, the operand of a control operation. */
  public long[] operands() {
    return operands;
  }

  /** Second operands; for an access the whole linear address. */
  public long[] moreOperands() {
    return moreOperands;
  }

  /** Sizes of data accesses in bytes. */
  public byte[] sizes() {
    return sizes;
  }

  /** What loads and exchanges gave. */
  public long[] results() {
    return results;
  }

  /**
   * What each access reached: the machine address of its first byte, or {@link #DEVICE} and the
   * guest-physical address of that, if the hypervisor completed the access because a device that it
   * emulates is there.
   */
  public long[] reached() {
    return reached;
  }
}
