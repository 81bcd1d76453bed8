// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.hw.FrameMapper;
import java.util.Arrays;

/**
 * What the machine says of where an access ended, in the guest's terms: the M2P of the machine
 * frame that it reached. Keeps the last answers, since accesses come back to the same frames.
 */
final class ReachedAddresses {
  private static final int KEPT = 1 << 10;

  /** No frame. */
  private static final long EMPTY = -1;

  private final Domain domain;
  private final long[] mfns = new long[KEPT];
  private final long[] gfns = new long[KEPT];

  ReachedAddresses(Domain domain) {
    this.domain = domain;
    forget();
  }

  /** The p2m may have changed. */
  void forget() {
    Arrays.fill(mfns, EMPTY);
  }

  /**
   * The guest-physical address of a machine address, or {@link WalkResult#NOWHERE} if it is not the
   * guest's.
   */
  long guestPhysical(long reached) {
    @Mfn long mfn = Addresses.maddrToMfn(Addresses.maddr(reached));
    int at = (int) mfn & KEPT - 1;
    if (mfns[at] != mfn) {
      gfns[at] = domain.mfnToGfn(mfn);
      mfns[at] = mfn;
    }
    @Gfn long gfn = Addresses.gfn(gfns[at]);
    return gfn == FrameMapper.NONE
        ? WalkResult.NOWHERE
        : Addresses.gfnToGpa(gfn, Addresses.pageOffset(reached));
  }

  /** What became of an access, for people. */
  String describe(long reached) {
    long guestPhysical = guestPhysical(reached);
    return guestPhysical == WalkResult.NOWHERE
        ? String.format("reached machine address 0x%x, which is not the guest's", reached)
        : String.format("reached 0x%x", guestPhysical);
  }
}
