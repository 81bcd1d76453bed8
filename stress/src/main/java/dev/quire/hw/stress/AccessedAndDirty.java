// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.hw.memory.FrameEntries;
import dev.quire.hw.memory.SparseMemory;
import java.util.List;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.J_Result;

/** Two walkers set A and D in one entry whose frame is not even made yet: neither bit is lost. */
@JCStressTest
@Outcome(id = "96", expect = Expect.ACCEPTABLE, desc = "A (bit 5) and D (bit 6) are both there")
@Outcome(expect = Expect.FORBIDDEN, desc = "a walker's bit was lost")
@State
public class AccessedAndDirty {
  private static final int ENTRY = 3;

  private final SparseMemory memory = new SparseMemory(List.of(new Ram(0, 1L << 20)));

  @Actor
  public void accessed() {
    set(1L << 5);
  }

  @Actor
  public void dirty() {
    set(1L << 6);
  }

  @Arbiter
  public void entry(J_Result result) {
    result.r1 = memory.load(0x1000 + 8 * ENTRY, 8);
  }

  private void set(long bit) {
    long[] frame = memory.frame(1);
    long before;
    do {
      before = FrameEntries.load(frame, ENTRY);
    } while (!FrameEntries.compareAndSet(frame, ENTRY, before, before | bit));
  }
}
