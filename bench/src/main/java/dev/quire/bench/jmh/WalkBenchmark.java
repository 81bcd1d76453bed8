// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench.jmh;

import dev.quire.api.hw.Operation;
import dev.quire.api.hw.PageWalker;
import dev.quire.api.hw.PagingContext;
import dev.quire.bench.Stream;
import dev.quire.bench.StreamMachine;
import dev.quire.bench.SyntheticStreams;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** A walk in software, four levels, to pages anywhere in 1 GiB. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class WalkBenchmark {
  private final StreamMachine machine = new StreamMachine();
  private final Stream stream = SyntheticStreams.byName("W3");
  private final PagingContext context = new PagingContext(machine.machine().profile());
  private final PageWalker walker = machine.machine().walker();
  private int next;

  /** Maps the stream. */
  public WalkBenchmark() {
    context.load(machine.addressSpace(stream, 1).registers());
  }

  /** One walk that changes nothing. */
  @Benchmark
  public long walk() {
    long operation = stream.operations()[next];
    next = next + 1 & stream.operations().length - 1;
    return walker.walk(
        context, Operation.linear(operation), operation, null, PageWalker.LOOK_ONLY, null);
  }
}
