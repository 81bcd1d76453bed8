// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Random;

/**
 * Moves frames that are in use, page tables before all, to other machine frames: content copied,
 * old frame poisoned. Who still reaches the old one reads no table.
 */
final class Remapping implements Disturbance {
  private final GuestMemory memory;
  private final Findings findings;
  private final Balloon balloon;

  Remapping(GuestMemory memory, Findings findings, Balloon balloon) {
    this.memory = memory;
    this.findings = findings;
    this.balloon = balloon;
  }

  @Override
  public String title() {
    return "frames remapped";
  }

  @Override
  public boolean isPossible() {
    return memory.isTranslated() && !memory.isPinned() && !balloon.spare().isEmpty();
  }

  @Override
  public String happen(Random random) {
    @Gfn long gfn = memory.anyFrame(random);
    if (!memory.isOrdinary(gfn)) {
      return String.format("left gfn 0x%x where it is: it is not in memory", gfn);
    }
    @Mfn long from = memory.mfn(gfn);
    @Mfn long to = balloon.takeSpare(random);
    PhysicalMemory machine = memory.machine();
    System.arraycopy(
        machine.frameToRead(from), 0, machine.frame(to), 0, PhysicalMemory.FRAME_LONGS);
    String what = String.format("remapping gfn 0x%x from mfn 0x%x to 0x%x", gfn, from, to);
    boolean gone =
        random.nextBoolean() || findings.done(what, () -> memory.p2m().remove(gfn, from, 0));
    if (gone && findings.done(what, () -> memory.p2m().add(gfn, to, 0, P2mType.RAM_RW))) {
      balloon.spare(from);
    } else {
      balloon.spare(to);
    }
    return what;
  }
}
