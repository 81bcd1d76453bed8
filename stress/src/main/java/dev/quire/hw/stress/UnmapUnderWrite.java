// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.x86.Access;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZJ_Result;

/**
 * Software exchanges an entry for zero, as a kernel does that reclaims a page, while a CPU without
 * translations writes: the write has left D in what was taken out, or it has faulted. The walker
 * never writes to an entry that is not there any more.
 */
@JCStressTest
@Outcome(id = "true, true, 0", expect = Expect.ACCEPTABLE, desc = "written, and known to be dirty")
@Outcome(id = "false, false, 0", expect = Expect.ACCEPTABLE, desc = "the write faulted")
@Outcome(expect = Expect.FORBIDDEN, desc = "a write that nobody knows of, or an entry brought back")
@State
public class UnmapUnderWrite {
  private static final SharedPages PAGES = new SharedPages(4);

  private final int page = PAGES.take(1);

  public UnmapUnderWrite() {
    PAGES.setEntry(page, PAGES.frame(page, 0) | SharedPages.PLAIN);
  }

  @Actor
  public void writer(ZZJ_Result result) {
    result.r1 = PAGES.probeCold(0, page, Access.WRITE);
  }

  @Actor
  public void software(ZZJ_Result result) {
    result.r2 = (PAGES.change(page, -1, 0) & SharedPages.DIRTY) != 0;
  }

  @Arbiter
  public void entry(ZZJ_Result result) {
    result.r3 = PAGES.entry(page);
  }
}
