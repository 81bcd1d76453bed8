// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.hw.FrameMapper;
import java.util.Arrays;
import java.util.List;

/**
 * Which frames of the machine a domain was given, and which guest frames they were then: runs of
 * both, in ascending guest frames. The runs of a domain never change; once it has a p2m, that says
 * which guest frame is which.
 */
final class GuestFrames implements FrameMapper {
  /** Three numbers a run: first guest frame, its machine frame, how many. */
  private final long[] runs;

  private final boolean identity;

  /**
   * Runs that do not overlap, ascending by guest frame; neighbours that go on in both spaces become
   * one.
   */
  GuestFrames(List<Run> given) {
    long[] merged = new long[3 * given.size()];
    int used = 0;
    for (Run run : given) {
      int last = used - 3;
      if (used > 0
          && merged[last] + merged[last + 2] == run.gfn()
          && merged[last + 1] + merged[last + 2] == run.mfn()) {
        merged[last + 2] += run.count();
      } else {
        merged[used] = run.gfn();
        merged[used + 1] = run.mfn();
        merged[used + 2] = run.count();
        used += 3;
      }
    }
    runs = Arrays.copyOf(merged, used);
    identity = given.stream().allMatch(run -> Addresses.identityGfnToMfn(run.gfn()) == run.mfn());
  }

  /** Whether every guest frame is the machine frame of the same number. */
  boolean isIdentity() {
    return identity;
  }

  /**
   * Guest frames in a row on machine frames in a row.
   *
   * @param gfn the first guest frame
   * @param mfn its machine frame
   * @param count how many
   */
  record Run(@Gfn long gfn, @Mfn long mfn, long count) {}

  /** How many runs there are. */
  int size() {
    return runs.length / 3;
  }

  Run run(int index) {
    int at = 3 * index;
    return new Run(Addresses.gfn(runs[at]), Addresses.mfn(runs[at + 1]), runs[at + 2]);
  }

  @Override
  public @Mfn long toMachine(@Gfn long gfn) {
    int low = 0;
    int high = size() - 1;
    while (low <= high) {
      int middle = low + high >>> 1;
      long distance = gfn - runs[3 * middle];
      if (distance < 0) {
        high = middle - 1;
      } else if (distance < runs[3 * middle + 2]) {
        return Addresses.mfn(runs[3 * middle + 1] + distance);
      } else {
        low = middle + 1;
      }
    }
    return Addresses.mfn(NONE);
  }

  /** The guest frame that a machine frame was at first; asked only where runs are few. */
  @Gfn
  long toGuest(@Mfn long mfn) {
    for (int at = 0; at < runs.length; at += 3) {
      long distance = mfn - runs[at + 1];
      if (distance >= 0 && distance < runs[at + 2]) {
        return Addresses.gfn(runs[at] + distance);
      }
    }
    return Addresses.gfn(NONE);
  }
}
