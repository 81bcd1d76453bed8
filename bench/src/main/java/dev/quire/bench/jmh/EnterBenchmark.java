// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench.jmh;

import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.bench.Stream;
import dev.quire.bench.StreamMachine;
import dev.quire.bench.SyntheticStreams;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** An access through {@link Cpu#enter}, 4,096 in a block, by stream. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class EnterBenchmark {
  private static final int BLOCK = 4096;

  /** Which stream. */
  @Param({"W1", "W2", "W3"})
  public String stream = "";

  private final OperationBlock block = new OperationBlock(BLOCK);
  private final StreamMachine machine = new StreamMachine();
  private long[] operations = {};
  private ControlBlock control = new ControlBlock();
  private int next;

  /** Maps the stream. */
  @Setup
  public void map() {
    Stream chosen = SyntheticStreams.byName(stream);
    operations = chosen.operations();
    control = machine.addressSpace(chosen, 1);
  }

  /** The next block of the stream. */
  @Benchmark
  @OperationsPerInvocation(BLOCK)
  public ExitReason enter() {
    block.clear();
    System.arraycopy(operations, next, block.operations(), 0, BLOCK);
    block.size(BLOCK);
    next = (next + BLOCK) % operations.length;
    return machine.cpu().enter(control, block, BLOCK);
  }
}
