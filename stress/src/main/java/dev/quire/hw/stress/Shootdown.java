// SPDX-License-Identifier: Apache-2.0

package dev.quire.hw.stress;

import dev.quire.api.hw.Cpu;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.J_Result;

/**
 * A CPU stores to a page while software maps the page to another frame, has the CPU's TLBs flushed
 * and, as soon as that is said to be done, uses the old frame for something else: no store arrives
 * there any more.
 */
@JCStressTest
@Outcome(id = "2", expect = Expect.ACCEPTABLE, desc = "what was put there after the shootdown")
@Outcome(expect = Expect.FORBIDDEN, desc = "a store by a translation that a shootdown took away")
@State
public class Shootdown {
  private static final SharedPages PAGES = new SharedPages(4);
  private static final int ENTRIES = 4;

  private final int page = PAGES.take(1);

  public Shootdown() {
    PAGES.setEntry(page, PAGES.frame(page, 0) | SharedPages.PLAIN);
  }

  @Actor
  public void guest() {
    for (int i = 0; i < ENTRIES; i++) {
      PAGES.store(0, page, 1);
    }
  }

  @Actor
  public void software() {
    PAGES.change(page, -1, PAGES.frame(page, 1) | SharedPages.PLAIN);
    Cpu other = PAGES.cpu(0);
    long ticket = other.requestFlush();
    while (!other.hasFlushed(ticket)) {
      Thread.onSpinWait();
    }
    PAGES.setWord(page, 0, 2);
  }

  @Arbiter
  public void oldFrame(J_Result result) {
    result.r1 = PAGES.word(page, 0);
  }
}
