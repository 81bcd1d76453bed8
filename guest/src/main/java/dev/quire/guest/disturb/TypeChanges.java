// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import java.util.Random;

/**
 * Changes memory between writable and write-and-tell: one frame at once; a range or all there is
 * lazily, by entries that trap when they are next used. While the dirty log uses those types,
 * single frames are made to tell, which can only make the log longer; while a range is tracked,
 * which lives by the types alone, there are recalculations only.
 */
final class TypeChanges implements Disturbance {
  private static final int MOST_FRAMES = 1 << 14;

  private final GuestMemory memory;
  private final Findings findings;
  private final LogDirtyRounds log;
  private final VramTracking vram;
  private final TypeUse types;
  private boolean global;
  private @Gfn long first = Addresses.gfn(0);
  private long count;

  TypeChanges(
      GuestMemory memory, Findings findings, LogDirtyRounds log, VramTracking vram, TypeUse types) {
    this.memory = memory;
    this.findings = findings;
    this.log = log;
    this.vram = vram;
    this.types = types;
  }

  @Override
  public String title() {
    return "type changes and recalculations";
  }

  @Override
  public boolean isPossible() {
    return memory.isTranslated();
  }

  @Override
  public String happen(Random random) {
    int choices = vram.isOn() ? 1 : log.isOn() ? 2 : 4;
    String done =
        switch (random.nextInt(choices)) {
          case 0 -> recalculate(random);
          case 1 -> one(random);
          case 2 -> range(random);
          default -> all();
        };
    types.set(this, global || count > 0);
    return done;
  }

  private String one(Random random) {
    @Gfn long gfn = memory.anyFrame(random);
    if (P2mEntry.type(memory.p2m().get(gfn)) == P2mType.RAM_RW) {
      findings.done(
          "changing the type of a frame",
          () -> memory.p2m().changeType(gfn, P2mType.RAM_RW, P2mType.RAM_LOGDIRTY));
    }
    return String.format("changed gfn 0x%x to log-dirty", gfn);
  }

  private String recalculate(Random random) {
    @Gfn long gfn = memory.anyFrame(random);
    findings.done(
        "recalculating a frame",
        () -> {
          Errno errno = memory.p2m().recalculate(gfn);
          return errno == Errno.ENOENT ? Errno.OK : errno; // nothing to do
        });
    return String.format("recalculated gfn 0x%x", gfn);
  }

  private String range(Random random) {
    if (count == 0) {
      first = memory.anyFrame(random);
      count = Math.min(1 + random.nextInt(MOST_FRAMES), memory.end() - first);
      lazily(true, first, count);
      return String.format("changed gfn 0x%x and the next %d to log-dirty", first, count - 1);
    }
    lazily(false, first, count);
    count = 0;
    return String.format("changed the frames from gfn 0x%x on back", first);
  }

  private void lazily(boolean dirty, @Gfn long from, long frames) {
    findings.done(
        "changing the type of a range",
        () -> memory.p2m().changeTypeRange(from, frames, from(dirty), from(!dirty)));
  }

  private String all() {
    global = !global;
    findings.done(
        "changing the type of all memory",
        () -> memory.p2m().changeTypeGlobal(from(global), from(!global)));
    return global ? "changed all memory to log-dirty" : "changed all memory back";
  }

  private static P2mType from(boolean writable) {
    return writable ? P2mType.RAM_RW : P2mType.RAM_LOGDIRTY;
  }
}
