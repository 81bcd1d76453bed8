// SPDX-License-Identifier: Apache-2.0
package dev.quire.guest.replay;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.hw.FrameMapper;
import dev.quire.api.hw.MachineSpec.Ram;
import dev.quire.api.hw.OperationBlock;
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
   * The guest-physical address of what an access reached, or {@link WalkResult#NOWHERE} if it is a
   * machine address that is not the guest's or a device where the guest has RAM.
   *
   * @param reached as {@link OperationBlock#reached} says
   */
  long guestPhysical(long reached) {
    if ((reached & OperationBlock.DEVICE) != 0) {
      return device(reached & ~OperationBlock.DEVICE);
    }
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

  private long device(long guestPhysical) {
    for (Ram range : domain.spec().memory()) {
      if (guestPhysical >= range.start() && guestPhysical < range.end()) {
        return WalkResult.NOWHERE;
      }
    }
    return guestPhysical;
  }

  /** What became of an access, for people. */
  String describe(long reached) {
    if ((reached & OperationBlock.DEVICE) != 0) {
      return String.format("reached a device at 0x%x", reached & ~OperationBlock.DEVICE);
    }
    long guestPhysical = guestPhysical(reached);
    return guestPhysical == WalkResult.NOWHERE
        ? String.format("reached machine address 0x%x, which is not the guest's", reached)
        : String.format("reached 0x%x", guestPhysical);
  }
}
