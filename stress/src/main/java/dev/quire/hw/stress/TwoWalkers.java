// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.x86.Access;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.J_Result;

/** One CPU reads a page and another writes it: the entry has A and D afterwards. */
@JCStressTest
@Outcome(id = "96", expect = Expect.ACCEPTABLE, desc = "A (bit 5) and D (bit 6) are both there")
@Outcome(expect = Expect.FORBIDDEN, desc = "a walker's bit was lost, or an access failed")
@State
public class TwoWalkers {
  private static final SharedPages PAGES = new SharedPages(4);

  private final int page = PAGES.take(1);
  private final long mapping = PAGES.frame(page, 0) | SharedPages.PLAIN;

  public TwoWalkers() {
    PAGES.setEntry(page, mapping);
  }

  @Actor
  public void reader() {
    PAGES.probeCold(0, page, 0);
  }

  @Actor
  public void writer() {
    PAGES.probeCold(1, page, Access.WRITE);
  }

  @Arbiter
  public void entry(J_Result result) {
    result.r1 = PAGES.entry(page) ^ mapping;
  }
}
