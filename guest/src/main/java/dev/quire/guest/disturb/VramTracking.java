// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Tracks a range as a device model does its frame buffer: the first question about a range begins,
 * each further one names the frames that were written since the last. Not while the log is on: both
 * live by the same types, and a new round of the log makes the tracking forget.
 */
final class VramTracking implements Disturbance {
  private static final int MOST_FRAMES = 1024;

  private final GuestMemory memory;
  private final Findings findings;
  private final TypeUse types;
  private @Nullable DirtyPages expected;
  private long forgotten;

  VramTracking(GuestMemory memory, Findings findings, TypeUse types) {
    this.memory = memory;
    this.findings = findings;
    this.types = types;
  }

  @Override
  public String title() {
    return "questions about a tracked range";
  }

  /**
   * How many frames were written and not told of. Counted, and no finding: tracking lives by types
   * alone, and a recalculation of the whole p2m (the log, a swap) takes a frame that was written
   * for one that was not.
   */
  long forgotten() {
    return forgotten;
  }

  boolean isOn() {
    return expected != null;
  }

  void wrote(@Gfn long gfn) {
    if (expected != null) {
      expected.wrote(gfn);
    }
  }

  @Override
  public boolean isPossible() {
    return types.isFreeFor(this) && memory.isTranslated();
  }

  @Override
  public String happen(Random random) {
    DirtyPages since = expected;
    if (since == null) {
      return begin(random);
    }
    if (random.nextInt(8) == 0) {
      return end();
    }
    long[] bitmap = since.bitmap();
    if (ask(since, bitmap)) {
      forgotten += since.missing(bitmap).size();
    }
    since.begin();
    return "asked about " + range(since);
  }

  private String begin(Random random) {
    @Gfn long middle = memory.anyFrame(random);
    @Gfn long first = Addresses.gfn(Math.max(0, middle - random.nextInt(MOST_FRAMES / 2)));
    long count = Math.min(1 + random.nextInt(MOST_FRAMES), memory.end() - first);
    DirtyPages range = new DirtyPages(memory, first, count);
    expected = ask(range, range.bitmap()) ? range : null;
    types.set(this, isOn());
    return "began to track " + range(range);
  }

  private String end() {
    findings.done(
        "ending the tracking of a range",
        () -> memory.domain().logDirty().trackRange(Addresses.gfn(0), 0, new long[0]));
    expected = null;
    types.set(this, false);
    return "ended the tracking of a range";
  }

  private boolean ask(DirtyPages range, long[] bitmap) {
    return findings.done(
        "asking about " + range(range),
        () -> memory.domain().logDirty().trackRange(range.first(), range.count(), bitmap));
  }

  private static String range(DirtyPages range) {
    return String.format("gfn 0x%x and the next %d", range.first(), range.count() - 1);
  }
}
