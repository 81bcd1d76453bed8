// SPDX-License-Identifier: Apache-2.0
package dev.quire.bench.jmh;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.RunResult;
import dev.quire.api.domain.StartInfo;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.x86.Access;
import dev.quire.api.x86.PageEntry;
import dev.quire.bench.PvDomains;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * What a PV guest's calls cost, from the trap to the answer: each change maps a frame in the place
 * of another, so that both are counted.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class PvBenchmark {
  private static final int BATCH = 64;
  private static final int ENTRIES = 512;
  private static final int FRAMES = 2048;
  private static final long SELF = 0x7ff0;
  private static final long READ_ONLY = PageEntry.P | PageEntry.US | PageEntry.A | PageEntry.D;
  private static final long LISTS = 1100;
  private static final long TABLE = 1200;
  private static final long CHANGED = 1300;

  private final Domain domain = PvDomains.create(FRAMES);
  private final Vcpu vcpu = domain.vcpu(0);
  private final OperationBlock single = new OperationBlock(2);
  private final OperationBlock batched = new OperationBlock(2);
  private final OperationBlock byAddress = new OperationBlock(2);
  private final OperationBlock pins = new OperationBlock(2);

  /** Writes the lists of requests and a table. */
  public PvBenchmark() {
    long table = levelOneOf(CHANGED);
    for (int turn = 0; turn < 2; turn++) {
      long list = direct(LISTS + turn);
      for (int i = 0; i < BATCH; i++) {
        long slot = CHANGED + i & ENTRIES - 1;
        store(list + i * 16L, table | slot << 3);
        store(list + i * 16L + 8, entry(CHANGED + i + (turn == 0 ? BATCH : 0), READ_ONLY));
      }
      single.hypercall(1, list, 1, 0, SELF, 0);
      batched.hypercall(1, list, BATCH, 0, SELF, 0);
      long other = entry(CHANGED + turn, READ_ONLY);
      byAddress.hypercall(14, direct(CHANGED), other, 0, 0, 0);
    }
    for (int i = 0; i < ENTRIES; i++) {
      store(direct(TABLE) + i * 8L, entry(CHANGED + i, READ_ONLY));
    }
    OperationBlock protect = new OperationBlock(1);
    protect.hypercall(14, direct(TABLE), entry(TABLE, READ_ONLY), 2, 0, 0);
    run(protect);
    for (int command : new int[] {0, 4}) {
      long list = direct(LISTS + 2 + command);
      store(list, command);
      store(list + 8, domain.gfnToMfn(Addresses.gfn(TABLE)));
      pins.hypercall(26, list, 1, 0, SELF, 0);
    }
  }

  private static long direct(long gfn) {
    return StartInfo.BASE + (gfn << 12);
  }

  private long entry(long gfn, long flags) {
    return domain.gfnToMfn(Addresses.gfn(gfn)) << 12 | flags;
  }

  private void store(long linear, long value) {
    OperationBlock block = new OperationBlock(1);
    block.store(Access.of(0, false, false), Addresses.gva(linear), 8, value);
    run(block);
  }

  /** Machine address of the bootstrap table of level 1 that maps a guest frame. */
  private long levelOneOf(long gfn) {
    OperationBlock block = new OperationBlock(1);
    long at = StartInfo.BASE + StartInfo.PAGETABLES;
    block.load(Access.of(0, false, false), Addresses.gva(at), 8);
    run(block);
    long root = block.results()[0] - StartInfo.BASE >>> 12; // then one table each of levels 3 and 2
    return domain.gfnToMfn(Addresses.gfn(root + 3 + gfn / ENTRIES)) << 12;
  }

  /** {@code mmu_update} with one request. */
  @Benchmark
  @OperationsPerInvocation(2)
  public long mmuUpdate() {
    return run(single);
  }

  /** {@code mmu_update} with 64 requests: of each. */
  @Benchmark
  @OperationsPerInvocation(2 * BATCH)
  public long mmuUpdateBatched() {
    return run(batched);
  }

  /** {@code update_va_mapping} without a flush. */
  @Benchmark
  @OperationsPerInvocation(2)
  public long updateVaMapping() {
    return run(byAddress);
  }

  /**
   * Pinning a full level-1 table and unpinning it: of each entry that is validated and given back.
   */
  @Benchmark
  @OperationsPerInvocation(ENTRIES)
  public long pinnedEntry() {
    return run(pins);
  }

  private long run(OperationBlock block) {
    block.next(0);
    RunResult result = vcpu.run(block);
    long answer = block.results()[block.size() - 1];
    if (result != RunResult.DONE || block.size() == 2 && answer != 0) {
      throw new IllegalStateException(result + ", " + answer + ", " + domain.crashReason());
    }
    return answer;
  }
}
