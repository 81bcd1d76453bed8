// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.Domain;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Which frames a guest has written, found without the backend: those that the reference's
 * operations reached, and those whose content changed, A and D bits of its tables among them.
 */
final class WrittenFrames {
  private final LockStep worlds;
  private final long[][] before = new long[Guest.FRAMES][];

  /** From now on. */
  WrittenFrames(LockStep worlds) {
    this.worlds = worlds;
    take();
  }

  /** The frames since the last call, by number. */
  BitSet take() {
    BitSet written = worlds.takeWritten();
    Domain reference = worlds.reference().domain();
    for (int i = 0; i < Guest.FRAMES; i++) {
      long[] now = reference.machine().memory().frameToRead(reference.gfnToMfn(Addresses.gfn(i)));
      if (before[i] != null && !Arrays.equals(before[i], now)) {
        written.set(i);
      }
      before[i] = now.clone();
    }
    return written;
  }
}
