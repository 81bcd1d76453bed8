// SPDX-License-Identifier: Apache-2.0

package dev.quire.paging.stress;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.PagingWork;
import dev.quire.hypervisor.frames.TypeFlushes;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZI_Result;

/**
 * A level-2 table whose validation stopped half-way is gone on with by one CPU while another gives
 * its half up: whoever comes first has it, and nothing is held twice or lost.
 */
@JCStressTest
@Outcome(id = "true, 0", expect = Expect.ACCEPTABLE, desc = "a table, and then nothing is left")
@Outcome(expect = Expect.FORBIDDEN, desc = "a reference too many or too few")
@State
public class ResumptionAgainstTearDown {
  private static final TypedFrames FRAMES = new TypedFrames(4, TypeFlushes.NONE);

  private final long frame = FRAMES.take();

  public ResumptionAgainstTearDown() {
    for (int child = 1; child < 4; child++) {
      FRAMES.write(frame, child, frame + child);
    }
    int[] left = {2};
    PagingWork hasty = new PagingWork(() -> left[0]-- <= 0);
    if (FRAMES.pin(frame, 2, hasty)) {
      throw new IllegalStateException("not half-way");
    }
    FRAMES.frames.get(Addresses.mfn(frame), 1); // of who gives it up
  }

  @Actor
  public void resumes(ZI_Result result) {
    result.r1 = FRAMES.pin(frame, 2, TypedFrames.patient());
  }

  @Actor
  public void givesUp() {
    PagingWork work = TypedFrames.patient();
    work.defer(Addresses.mfn(frame), Addresses.mfn(FrameTable.NO_PARENT), true);
    work.finish(FRAMES.frames);
  }

  @Arbiter
  public void counts(ZI_Result result) {
    FRAMES.unpin(frame);
    for (int child = 0; child < 4; child++) {
      result.r2 += FRAMES.typeCount(frame + child) + FRAMES.count(frame + child) - 1;
    }
    FRAMES.giveBack(frame);
  }
}
