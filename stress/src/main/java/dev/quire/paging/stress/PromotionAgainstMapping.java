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

/** One CPU makes a frame a table while another maps it writable: one of them is refused. */
@JCStressTest
@Outcome(id = "true, false, 1", expect = Expect.ACCEPTABLE, desc = "a table")
@Outcome(id = "false, true, 1", expect = Expect.ACCEPTABLE, desc = "a writable page")
@Outcome(expect = Expect.FORBIDDEN, desc = "both, neither, or a count that is wrong")
@State
public class PromotionAgainstMapping {
  private static final TypedFrames FRAMES = new TypedFrames(1, TypeFlushes.NONE);

  private final long frame = FRAMES.take();

  @Actor
  public void promotes(ZZI_Result result) {
    result.r1 = FRAMES.pin(frame, 1, TypedFrames.patient());
  }

  @Actor
  public void maps(ZZI_Result result) {
    result.r2 = FRAMES.map(frame);
  }

  @Arbiter
  public void count(ZZI_Result result) {
    result.r3 = FRAMES.typeCount(frame);
    if (result.r1) {
      FRAMES.unpin(frame);
    }
    if (result.r2) {
      FRAMES.unmap(frame);
    }
    result.r3 += FRAMES.typeCount(frame) + FRAMES.count(frame) - 1;
    FRAMES.giveBack(frame);
  }
}
