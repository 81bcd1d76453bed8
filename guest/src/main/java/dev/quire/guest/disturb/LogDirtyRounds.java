// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.disturb;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.domain.LogDirty;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Live migration's rounds: enable, then again and again clean or peek, then disable. Each answer
 * must hold every frame that was written since the round began.
 */
final class LogDirtyRounds implements Disturbance {
  private final GuestMemory memory;
  private final Findings findings;
  private final BitmapChecks checks;
  private final TypeUse types;
  private @Nullable DirtyPages expected;

  LogDirtyRounds(GuestMemory memory, Findings findings, BitmapChecks checks, TypeUse types) {
    this.memory = memory;
    this.findings = findings;
    this.checks = checks;
    this.types = types;
  }

  @Override
  public String title() {
    return "log-dirty operations";
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
      return enable();
    }
    int choice = random.nextInt(8);
    if (choice == 0) {
      return disable(since);
    }
    return choice < 3 ? peek(since) : clean(since);
  }

  private LogDirty log() {
    return memory.domain().logDirty();
  }

  private String enable() {
    if (findings.done("enabling log-dirty mode", log()::enable)) {
      expected = new DirtyPages(memory, Addresses.gfn(0), memory.end());
      types.set(this, true);
    }
    return "enabled log-dirty mode";
  }

  private String clean(DirtyPages since) {
    long[] bitmap = since.bitmap();
    if (findings.done("a clean of the dirty log", () -> log().clean(bitmap, since.count()))) {
      checks.compare("a clean of the dirty log", since, bitmap);
    }
    since.begin();
    return "cleaned the dirty log";
  }

  private String peek(DirtyPages since) {
    long[] bitmap = since.bitmap();
    if (findings.done("a peek at the dirty log", () -> log().peek(bitmap, since.count()))) {
      checks.compare("a peek at the dirty log", since, bitmap);
    }
    return "peeked at the dirty log";
  }

  private String disable(DirtyPages since) {
    peek(since);
    findings.done("disabling log-dirty mode", log()::disable);
    expected = null;
    types.set(this, false);
    return "disabled log-dirty mode";
  }
}
