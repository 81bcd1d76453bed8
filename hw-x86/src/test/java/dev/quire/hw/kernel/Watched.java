// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.MachineSpec;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.Vector;
import dev.quire.hw.memory.SparseMemory;
import dev.quire.hw.reference.Demand;
import dev.quire.hw.reference.Memory;
import dev.quire.hw.reference.Shape;
import dev.quire.hw.reference.Walk;
import java.util.function.Consumer;

/** One CPU, with the staleness oracle looking at it after every operation. */
final class Watched implements Rig {
  private final TestCpu ours;
  private final MachineSpec spec;
  private final StalenessOracle oracle;
  private final OperationBlock block = new OperationBlock(256);
  private boolean flushIsOwed;

  Watched(MachineSpec spec) {
    this(spec, new TestCpu(spec));
  }

  /** Watches a CPU of a kind. */
  Watched(MachineSpec spec, TestCpu cpu) {
    this.spec = spec;
    ours = cpu;
    oracle = new StalenessOracle(spec.profile(), ours);
  }

  @Override
  public OperationBlock block() {
    return block;
  }

  @Override
  public void clear() {
    block.clear();
  }

  @Override
  public void add(Consumer<OperationBlock> operation) {
    operation.accept(block);
  }

  @Override
  public void store(long address, int bytes, long value) {
    ours.memory.store(address, bytes, value);
  }

  @Override
  public Memory memory() {
    return ours.memory::load;
  }

  @Override
  public void run(Guest guest, int budget) {
    while (block.next() < block.size()) {
      step(guest.ours);
    }
  }

  private void step(ControlBlock control) {
    int at = block.next();
    Registers before = new Registers();
    before.set(control.registers());
    Memory then = writes(at) ? snapshot() : memory();
    if (flushIsOwed) {
      oracle.expectNothing();
      flushIsOwed = false;
    }
    ExitReason exit = ours.cpu.enter(control, block, 1);
    boolean done = block.next() > at;
    String what = String.format("operation %d (0x%x)", at, block.operations()[at]);
    if (isAccess(at) && Shape.isPaged(before)) {
      check(what, control, at, done, exit, then);
    }
    boolean isPaged = Shape.isPaged(control.registers());
    oracle.after(
        new StalenessOracle.Moment(
            what,
            done ? Forgetting.after(control, block, at, before) : Forgetting.NOTHING,
            isPaged ? control : null,
            (block.operations()[at] & Access.WRITE) != 0,
            then,
            memory()));
    if (!done) {
      block.next(at + 1);
    }
  }

  private boolean isAccess(int at) {
    return !Operation.isControl(block.operations()[at]);
  }

  /** Whether the operation may write to memory besides A and D bits. */
  private boolean writes(int at) {
    long word = block.operations()[at];
    boolean isExchange =
        Operation.isControl(word) && Operation.kind(word) == Operation.Kind.COMPARE_EXCHANGE;
    return isExchange || isAccess(at) && (word & Operation.DATA) != 0;
  }

  private Memory snapshot() {
    SparseMemory copy = new SparseMemory(spec.ram());
    for (MachineSpec.Ram range : spec.ram()) {
      for (long at = range.start(); at < range.start() + range.length(); at += 4096) {
        if (ours.memory.isHome(at >>> 12)) {
          System.arraycopy(ours.memory.frame(at >>> 12), 0, copy.frame(at >>> 12), 0, 512);
        }
      }
    }
    return copy::load;
  }

  /** An access reached what it may have reached, or failed as a walk from the root fails. */
  private void check(
      String what, ControlBlock control, int at, boolean done, ExitReason exit, Memory then) {
    long word = block.operations()[at];
    boolean inWord = (word & (Operation.DATA | Operation.WIDE)) == 0;
    Shape shape = Shape.of(control.registers());
    if (done) {
      long given = inWord ? word << 7 >> 7 : block.moreOperands()[at];
      long linear = shape.isLong() ? given : given & 0xffffffffL;
      Demand demand = demand(control, word, linear);
      assertThat(oracle.mayReach(block.reached()[at], demand, control, then))
          .as("%s reached 0x%x", what, block.reached()[at])
          .isTrue();
    } else if (control.exitVector() == Vector.PF) {
      Demand demand = demand(control, word, control.exitLinear());
      Walk walk = Walk.fromRoot(spec.profile(), control.registers(), shape, then, demand);
      assertThat(control.exitErrorCode()).as("%s: %s", what, exit).isEqualTo(walk.errorCode());
    }
  }

  private static Demand demand(ControlBlock control, long word, long linear) {
    Demand demand = Demand.of(word, linear);
    return control.kernelIsUser() ? demand.asUser() : demand;
  }

  @Override
  public void flush() {
    ours.cpu.flush();
    oracle.afterInvalidation("flush", Forgetting.EVERYTHING);
  }

  @Override
  public void flushTag(int tag) {
    ours.cpu.flushTag(tag);
    oracle.afterInvalidation("flushTag " + tag, Forgetting.ofTag(tag));
  }

  @Override
  public void flushLinear(Guest guest, long linear) {
    int tag = guest.ours.tag();
    ours.cpu.flushLinear(tag, linear);
    Shape shape = Shape.of(guest.ours.registers());
    oracle.afterInvalidation("flushLinear", Forgetting.ofLinear(tag, linear, shape));
  }

  @Override
  public void requestFlush() {
    ours.cpu.requestFlush();
    flushIsOwed = true;
  }

  /** How many entries were seen live, over all operations. */
  long checks() {
    return oracle.checks();
  }
}
