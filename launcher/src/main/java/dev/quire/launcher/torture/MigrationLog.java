// SPDX-License-Identifier: Apache-2.0
package dev.quire.launcher.torture;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The dirty logs of a world's domains while they are on, and what must be in them: every frame of
 * the domain's whose content has changed, and every one that its own stores have reached. Left out
 * is what the other domain has written, by power or by a grant: whoever migrates a domain does not
 * learn of that until the grant ends.
 */
final class MigrationLog {
  /** Guests may call a frame what they like; what is beyond this is not looked at. */
  private static final int NAMES = 4096;

  private final TortureWorld world;
  private final Map<Long, long[]> before = new HashMap<>();
  private final BitSet own = new BitSet();
  private final BitSet foreign = new BitSet();
  private boolean on;
  private long rounds;
  private long expected;
  private long dirty;
  private long overflows;

  MigrationLog(TortureWorld world) {
    this.world = world;
  }

  /** The domains are with a backend that can log. */
  void begin() {
    for (Domain domain : world.domains()) {
      Errno done = domain.logDirty().enable();
      if (!done.isOk()) {
        throw new IllegalStateException("the dirty log cannot be switched on: " + done);
      }
    }
    on = true;
    note();
  }

  private void note() {
    before.clear();
    own.clear();
    foreign.clear();
    for (Domain domain : world.domains()) {
      world
          .frames()
          .forEachOwned(domain.id(), mfn -> before.put(mfn, content(Addresses.mfn(mfn)).clone()));
    }
  }

  private long[] content(@Mfn long mfn) {
    return world.memory().frameToRead(mfn);
  }

  /** A step was made: what did it write? */
  void made(TortureStep it) {
    if (on) {
      world.forEachWritten(
          it,
          mfn ->
              (world.frames().owner(Addresses.mfn(mfn)) == it.domain() ? own : foreign)
                  .set((int) mfn));
    }
  }

  /**
   * Reads the logs, cleans them, and compares.
   *
   * @return what is missing; null if nothing is
   */
  @Nullable String round() {
    String wrong = null;
    for (Domain domain : world.domains()) {
      long[] bitmap = new long[NAMES / Long.SIZE];
      Errno done = domain.logDirty().clean(bitmap, NAMES);
      if (done == Errno.ENOMEM) {
        overflows++; // which the guest can bring about, by the names it gives to frames
        domain.logDirty().disable();
        domain.logDirty().enable();
      } else if (!done.isOk()) {
        return "a clean of the dirty log: " + done;
      } else {
        String missing = missing(domain, BitSet.valueOf(bitmap));
        wrong = wrong == null ? missing : wrong;
      }
    }
    rounds++;
    note();
    return wrong;
  }

  private @Nullable String missing(Domain domain, BitSet bitmap) {
    StringBuilder wrong = new StringBuilder();
    dirty += bitmap.cardinality();
    world
        .frames()
        .forEachOwned(
            domain.id(),
            number -> {
              @Mfn long mfn = Addresses.mfn(number);
              @Gfn long gfn = domain.mfnToGfn(mfn);
              if (gfn < 0 || gfn >= NAMES || foreign.get((int) mfn)) {
                return;
              }
              long[] old = before.get(mfn);
              boolean changed = old != null && !Arrays.equals(old, content(mfn));
              if (changed || own.get((int) mfn)) {
                expected++;
                if (!bitmap.get((int) gfn)) {
                  wrong.append(
                      String.format(
                          "domain %d's frame 0x%x, guest frame 0x%x, was written and is not in the"
                              + " log; ",
                          domain.id(), mfn, gfn));
                }
              }
            });
    return wrong.length() == 0 ? null : wrong.toString();
  }

  /** The domains go back. */
  @Nullable String end() {
    String wrong = round();
    for (Domain domain : world.domains()) {
      domain.logDirty().disable();
    }
    on = false;
    return wrong;
  }

  /** What was looked at. */
  Map<String, Long> counts() {
    Map<String, Long> counts = new LinkedHashMap<>();
    counts.put("dirty log: rounds", rounds);
    counts.put("dirty log: frames that had to be in it", expected);
    counts.put("dirty log: frames that were", dirty);
    counts.put("dirty log: rounds lost for want of memory", overflows);
    return counts;
  }
}
