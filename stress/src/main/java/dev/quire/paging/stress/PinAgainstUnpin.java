// SPDX-License-Identifier: Apache-2.0

package dev.quire.paging.stress;

import dev.quire.hypervisor.frames.TypeFlushes;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZI_Result;

/** A pinned table is unpinned while it is pinned again: the pin and the counts agree in the end. */
@JCStressTest
@Outcome(
    id = "true, false, 11",
    expect = Expect.ACCEPTABLE,
    desc = "pinned too early, then unpinned")
@Outcome(id = "true, true, 22", expect = Expect.ACCEPTABLE, desc = "unpinned, then pinned again")
@Outcome(expect = Expect.FORBIDDEN, desc = "a pin without its references, or the contrary")
@State
public class PinAgainstUnpin {
  private static final TypedFrames FRAMES = new TypedFrames(1, TypeFlushes.NONE);

  private final long frame = FRAMES.take();

  public PinAgainstUnpin() {
    FRAMES.pin(frame, 1, TypedFrames.patient());
  }

  @Actor
  public void unpins(ZZI_Result result) {
    result.r1 = FRAMES.unpin(frame);
  }

  @Actor
  public void pins(ZZI_Result result) {
    result.r2 = FRAMES.pin(frame, 1, TypedFrames.patient());
  }

  /** Tens: general references; ones: type references and, if it is not pinned, one more. */
  @Arbiter
  public void counts(ZZI_Result result) {
    int types = FRAMES.typeCount(frame);
    result.r3 = 10 * FRAMES.count(frame) + types + 1;
    FRAMES.unpin(frame);
    FRAMES.giveBack(frame);
  }
}
