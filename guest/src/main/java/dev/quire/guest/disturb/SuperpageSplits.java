// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.P2mEntry;
import java.util.Random;

/** Splits superpages of the p2m. */
final class SuperpageSplits implements Disturbance {
  private static final int TRIES = 16;

  private final GuestMemory memory;
  private final Findings findings;

  SuperpageSplits(GuestMemory memory, Findings findings) {
    this.memory = memory;
    this.findings = findings;
  }

  @Override
  public String title() {
    return "superpage splits";
  }

  @Override
  public boolean isPossible() {
    return memory.isTranslated();
  }

  @Override
  public String happen(Random random) {
    @Gfn long gfn = memory.anyFrame(random);
    for (int i = 1; i < TRIES && order(gfn) == 0; i++) {
      gfn = memory.anyFrame(random);
    }
    @Gfn long chosen = gfn;
    int order = order(chosen);
    if (findings.done("splitting a superpage", () -> memory.p2m().shatter(chosen))
        && order(chosen) != 0) {
      findings.add(String.format("gfn 0x%x is still in a superpage", chosen));
    }
    return String.format("split the mapping of order %d around gfn 0x%x", order, chosen);
  }

  private int order(@Gfn long gfn) {
    return P2mEntry.order(memory.p2m().get(gfn));
  }
}
