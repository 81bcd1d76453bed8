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
 * Software collects and clears D and marks the entry, while a walker sets A and D for a write: D is
 * collected or still there, once, and neither loses what the other wrote.
 */
@JCStressTest
@Outcome(
    id = "false, true, 512",
    expect = Expect.ACCEPTABLE,
    desc = "D came after it was collected")
@Outcome(id = "true, false, 512", expect = Expect.ACCEPTABLE, desc = "D was collected")
@Outcome(expect = Expect.FORBIDDEN, desc = "a D bit, an A bit or software's mark was lost")
@State
public class DirtyHarvest {
  private static final SharedPages PAGES = new SharedPages(4);
  private static final long MARK = 1L << 9;

  private final int page = PAGES.take(1);
  private final long mapping = PAGES.frame(page, 0) | SharedPages.PLAIN;

  public DirtyHarvest() {
    PAGES.setEntry(page, mapping);
  }

  @Actor
  public void walker() {
    PAGES.probeCold(0, page, Access.WRITE);
  }

  @Actor
  public void software(ZZJ_Result result) {
    result.r1 = (PAGES.change(page, SharedPages.DIRTY, MARK) & SharedPages.DIRTY) != 0;
  }

  @Arbiter
  public void entry(ZZJ_Result result) {
    long entry = PAGES.entry(page);
    result.r2 = (entry & SharedPages.DIRTY) != 0;
    result.r3 = (entry & ~SharedPages.DIRTY) ^ mapping ^ SharedPages.ACCESSED;
  }
}
