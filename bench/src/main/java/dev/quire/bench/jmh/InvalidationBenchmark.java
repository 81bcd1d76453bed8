// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench.jmh;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Cr4;
import dev.quire.bench.Stream;
import dev.quire.bench.StreamMachine;
import dev.quire.bench.SyntheticStreams;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** What makes a CPU forget, each time followed by an access. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class InvalidationBenchmark {
  private static final int PAIRS = 1024;
  private static final long KEEP = Long.MIN_VALUE;

  private final StreamMachine machine = new StreamMachine();
  private final Stream stream = SyntheticStreams.byName("W1");
  private final ControlBlock control = machine.addressSpace(stream, 1);
  private final ControlBlock tagged = machine.addressSpace(stream, 2);
  private final OperationBlock invlpgs = new OperationBlock(2 * PAIRS);
  private final OperationBlock switches = new OperationBlock(2 * PAIRS);
  private final OperationBlock taggedSwitches = new OperationBlock(2 * PAIRS);

  /** Writes the blocks. */
  public InvalidationBenchmark() {
    tagged.registers().cr4 |= Cr4.PCIDE;
    long root = control.registers().cr3;
    long other = tagged.registers().cr3;
    for (int i = 0; i < PAIRS; i++) {
      long operation = stream.operations()[i];
      long access = operation & ~Operation.ADDRESS;
      invlpgs.control(Operation.Kind.INVLPG, Operation.linear(operation));
      switches.control(Operation.Kind.MOV_CR3, (i & 1) == 0 ? root : other);
      long pcid = 1 + (i & 3);
      taggedSwitches.control(Operation.Kind.MOV_CR3, other | pcid | KEEP);
      invlpgs.probe(access, Operation.linear(operation));
      switches.probe(access, Operation.linear(operation));
      taggedSwitches.probe(access, Operation.linear(operation));
    }
  }

  /** INVLPG of a page, and an access that walks to it again. */
  @Benchmark
  @OperationsPerInvocation(PAIRS)
  public ExitReason invlpg() {
    return run(control, invlpgs);
  }

  /** MOV to CR3 without PCIDs, which forgets all, and an access. */
  @Benchmark
  @OperationsPerInvocation(PAIRS)
  public ExitReason cr3() {
    return run(control, switches);
  }

  /** MOV to CR3 among four PCIDs with bit 63, which forgets nothing, and an access. */
  @Benchmark
  @OperationsPerInvocation(PAIRS)
  public ExitReason cr3WithPcid() {
    return run(tagged, taggedSwitches);
  }

  private ExitReason run(ControlBlock with, OperationBlock block) {
    block.next(0);
    ExitReason reason = machine.cpu().enter(with, block, 2 * PAIRS);
    if (reason != ExitReason.DONE) {
      throw new IllegalStateException(reason + " at " + block.next());
    }
    return reason;
  }
}
