// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Tracks a range as a device model does its frame buffer: the first question about a range begins,
 * each further one must name every frame that was written since the last.
 */
final class VramTracking implements Disturbance {
  private static final int MOST_FRAMES = 1024;

  private final GuestMemory memory;
  private final Findings findings;
  private final BitmapChecks checks;
  private @Nullable DirtyPages expected;
  private boolean suspended;

  VramTracking(GuestMemory memory, Findings findings, BitmapChecks checks) {
    this.memory = memory;
    this.findings = findings;
    this.checks = checks;
  }

  @Override
  public String title() {
    return "questions about a tracked range";
  }

  /** Somebody else uses types as tracking does; it must not begin meanwhile. */
  void suspend(boolean value) {
    suspended = value;
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
    return isOn() || !suspended && memory.isTranslated();
  }

  @Override
  public String happen(Random random) {
    DirtyPages since = expected;
    if (since == null || random.nextInt(8) == 0) {
      return begin(random);
    }
    long[] bitmap = since.bitmap();
    if (ask(since, bitmap)) {
      checks.compare("the tracked range", since, bitmap);
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
    return "began to track " + range(range);
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
