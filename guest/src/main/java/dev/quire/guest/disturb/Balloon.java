// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;

/**
 * A balloon driver: frames that the guest does not use go out of the p2m and come back, on other
 * machine frames. Before the guest touches one it is given back. Page tables are always in use, old
 * ones too: a paging-structure cache may still lead there.
 */
final class Balloon implements Disturbance {
  private static final int MOST_FRAMES = 64;
  private static final int AT_ONCE = 8;
  private static final int TRIES = 16;

  /** What a frame without an owner holds: not present as an entry, and like no data. */
  private static final long POISON = 0xdead_beef_dead_bee0L;

  private final GuestMemory memory;
  private final Findings findings;
  private final List<Long> out = new ArrayList<>();
  private final BitSet isOut = new BitSet();
  private final List<Long> spare = new ArrayList<>();

  Balloon(GuestMemory memory, Findings findings) {
    this.memory = memory;
    this.findings = findings;
  }

  @Override
  public String title() {
    return "frames ballooned out or in";
  }

  /** Whether anything is out, so that somebody must look at what the guest is about to touch. */
  boolean isInflated() {
    return !out.isEmpty();
  }

  boolean isOut(@Gfn long gfn) {
    return isOut.get((int) gfn);
  }

  /** Machine frames that back nothing just now. */
  List<Long> spare() {
    return spare;
  }

  @Override
  public boolean isPossible() {
    return memory.isTranslated();
  }

  @Override
  public String happen(Random random) {
    boolean inflate = out.isEmpty() || out.size() < MOST_FRAMES && random.nextInt(3) != 0;
    int count = 1 + random.nextInt(AT_ONCE);
    memory.p2m().deferFlushes();
    for (int i = 0; i < count; i++) {
      if (inflate) {
        out(random);
      } else if (!out.isEmpty()) {
        giveBack(Addresses.gfn(out.get(random.nextInt(out.size()))));
      }
    }
    memory.p2m().flushDeferred();
    return (inflate ? "ballooned out " : "ballooned in ") + count + " frames";
  }

  private void out(Random random) {
    @Gfn long gfn = memory.anyFrame(random);
    for (int i = 1; i < TRIES && !isUnused(gfn); i++) {
      gfn = memory.anyFrame(random);
    }
    if (!isUnused(gfn)) {
      return;
    }
    @Gfn long chosen = gfn;
    @Mfn long mfn = memory.mfn(chosen);
    String what = String.format("ballooning out gfn 0x%x", chosen);
    if (findings.done(what, () -> memory.p2m().remove(chosen, mfn, 0))) {
      out.add(chosen);
      isOut.set((int) chosen);
      spare(mfn);
    }
  }

  private boolean isUnused(@Gfn long gfn) {
    return !memory.isTable(gfn) && memory.isOrdinary(gfn);
  }

  /** Nothing is behind a machine frame any more. */
  void spare(@Mfn long mfn) {
    if (memory.machine().isHome(mfn)) {
      Arrays.fill(memory.machine().frame(mfn), POISON);
    }
    spare.add(mfn);
  }

  /** A machine frame to put something on; there is one. */
  @Mfn
  long takeSpare(Random random) {
    int at = random.nextInt(spare.size());
    long taken = spare.set(at, spare.get(spare.size() - 1));
    spare.remove(spare.size() - 1);
    return Addresses.mfn(taken);
  }

  /** The guest is about to use a frame that is out; the frame that went out first is free first. */
  void giveBack(@Gfn long gfn) {
    @Mfn
    long mfn = memory.isPinned() ? Addresses.identityGfnToMfn(gfn) : Addresses.mfn(spare.get(0));
    spare.remove(Long.valueOf(mfn));
    String what = String.format("ballooning in gfn 0x%x", gfn);
    if (!findings.done(what, () -> memory.p2m().add(gfn, mfn, 0, P2mType.RAM_RW))) {
      findings.add(what + " failed, and the guest needs it");
    }
    out.remove(Long.valueOf(gfn));
    isOut.clear((int) gfn);
  }

  /** Nothing stays out. */
  void giveAllBack() {
    while (isInflated()) {
      giveBack(Addresses.gfn(out.get(0)));
    }
  }
}
