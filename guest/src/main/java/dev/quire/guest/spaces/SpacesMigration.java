// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.spaces;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.guest.InputException;
import dev.quire.api.guest.Toolstack;
import dev.quire.api.hw.PhysicalMemory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What a toolstack does to the guest while it runs: gives it from backend to backend, and where one
 * can log writes, reads and cleans the dirty log as for a live migration. Each frame whose content
 * has changed since the log was last cleaned must be in it.
 */
final class SpacesMigration {
  /** Rounds of the dirty log between two swaps. */
  private static final int ROUNDS = 4;

  private final Domain domain;
  private final Toolstack toolstack;
  private final Consumer<String> wrong;
  private final List<String> among;
  private final int every;
  private final long[][] before;
  private boolean logs;
  private long swaps;
  private long rounds;
  private long expected;
  private long dirty;

  /**
   * Swaps of a run.
   *
   * @param every so many switches lie between two swaps; 0 for none
   * @param wrong receives a sentence for each thing that should not be
   */
  SpacesMigration(Domain domain, Toolstack toolstack, int every, Consumer<String> wrong) {
    this.domain = domain;
    this.toolstack = toolstack;
    this.every = every;
    this.wrong = wrong;
    among = every == 0 ? List.of() : toolstack.backends(domain);
    before = new long[(int) domain.spec().frames()][];
    if (every > 0 && among.size() < 2) {
      throw new InputException(
          "swap-every: there are no two backends that can serve this domain; there are: " + among);
    }
  }

  /** So many switches have been made. */
  void after(int switches) {
    if (every == 0) {
      return;
    }
    if (logs && switches % Math.max(1, every / ROUNDS) == 0) {
      round();
    }
    if (switches % every == 0) {
      swap();
    }
  }

  private void swap() {
    end();
    String next = among.get((among.indexOf(domain.backend()) + 1) % among.size());
    toolstack.swap(domain, next);
    swaps++;
    logs = domain.logDirty().enable() == Errno.OK;
    if (logs) {
      note();
    }
    audit("after swap " + swaps + ", to " + next);
  }

  private void audit(String when) {
    domain.paging().audit().forEach(it -> wrong.accept(when + ": " + it));
    if (domain.guestInterface() != null) {
      domain.guestInterface().audit().forEach(it -> wrong.accept(when + ": " + it));
    }
  }

  private void note() {
    for (int gfn = 0; gfn < before.length; gfn++) {
      before[gfn] = content(gfn).clone();
    }
  }

  private long[] content(int gfn) {
    PhysicalMemory memory = domain.machine().memory();
    return memory.frameToRead(domain.gfnToMfn(Addresses.gfn(gfn)));
  }

  private void round() {
    long[] bitmap = new long[(before.length + Long.SIZE - 1) / Long.SIZE];
    Errno done = domain.logDirty().clean(bitmap, before.length);
    if (!done.isOk()) {
      wrong.accept("a clean of the dirty log: " + done);
    }
    rounds++;
    for (int gfn = 0; gfn < before.length; gfn++) {
      boolean is = (bitmap[gfn >>> 6] >>> gfn & 1) != 0;
      dirty += is ? 1 : 0;
      if (!Arrays.equals(before[gfn], content(gfn))) {
        expected++;
        if (!is) {
          wrong.accept(String.format("guest frame 0x%x was written, and is not in the log", gfn));
        }
        before[gfn] = content(gfn).clone();
      }
    }
  }

  /** The log is read for the last time, and switched off. */
  void end() {
    if (logs) {
      round();
      domain.logDirty().disable();
      logs = false;
    }
  }

  /** What was done, for the report. */
  void tell(Map<String, Object> facts) {
    if (every > 0) {
      facts.put("backend swaps", swaps);
      facts.put("dirty log: rounds", rounds);
      facts.put("dirty log: frames that had to be in it", expected);
      facts.put("dirty log: frames that were", dirty);
    }
  }
}
