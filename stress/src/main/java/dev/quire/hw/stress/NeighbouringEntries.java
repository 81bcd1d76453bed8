// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.x86.Access;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJ_Result;

/**
 * Two CPUs set A and D in neighbouring entries of four bytes, which share a word of memory: each
 * has its own.
 */
@JCStressTest
@Outcome(id = "96, 32", expect = Expect.ACCEPTABLE, desc = "A and D of the one, A of the other")
@Outcome(expect = Expect.FORBIDDEN, desc = "a walker's bit was lost, or an access failed")
@State
public class NeighbouringEntries {
  private static final SharedPages PAGES = new SharedPages(2);

  private final int page = PAGES.take(2);

  public NeighbouringEntries() {
    PAGES.setEntry(page, mapping(page));
    PAGES.setEntry(page + 1, mapping(page + 1));
  }

  private static long mapping(int page) {
    return PAGES.frame(page, 0) | SharedPages.PLAIN;
  }

  @Actor
  public void writer() {
    PAGES.probeCold(0, page, Access.WRITE);
  }

  @Actor
  public void reader() {
    PAGES.probeCold(1, page + 1, 0);
  }

  @Arbiter
  public void entries(JJ_Result result) {
    result.r1 = PAGES.entry(page) ^ mapping(page);
    result.r2 = PAGES.entry(page + 1) ^ mapping(page + 1);
  }
}
