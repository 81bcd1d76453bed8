// SPDX-License-Identifier: Apache-2.0

package dev.quire.paging.stress;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/**
 * One CPU makes a frame a table and flushes; another maps it writable, caches that, and unmaps it.
 * When the frame is a table, nothing of that is cached (XSA-401).
 */
@JCStressTest
@Outcome(id = "true, false", expect = Expect.ACCEPTABLE, desc = "a table that nobody can write")
@Outcome(id = "false, true", expect = Expect.ACCEPTABLE, desc = "refused while it was mapped")
@Outcome(expect = Expect.FORBIDDEN, desc = "a table that a TLB lets somebody write")
@State
public class CommitThenFlush {
  /** Whose flush it is: one thread promotes frames of one state at a time. */
  private static final ThreadLocal<CommitThenFlush> PROMOTED = new ThreadLocal<>();

  private static final TypedFrames FRAMES =
      new TypedFrames(
          1,
          (owner, stamp, fromTable) -> {
            CommitThenFlush state = PROMOTED.get();
            if (state != null) {
              state.cached = false;
            }
          });

  private final long frame = FRAMES.take();

  /** What the second CPU's TLB holds. */
  private volatile boolean cached;

  public CommitThenFlush() {
    FRAMES.map(frame);
    FRAMES.unmap(frame);
    cached = true; // not flushed since
  }

  @Actor
  public void promotes(ZZ_Result result) {
    PROMOTED.set(this);
    result.r1 = FRAMES.pin(frame, 1, TypedFrames.patient());
    PROMOTED.remove();
  }

  @Actor
  public void mapsAndUnmaps() {
    if (FRAMES.map(frame)) {
      cached = true;
      FRAMES.unmap(frame);
    }
  }

  @Arbiter
  public void end(ZZ_Result result) {
    result.r2 = cached;
    if (result.r1) {
      FRAMES.unpin(frame);
    }
    FRAMES.giveBack(frame);
  }
}
