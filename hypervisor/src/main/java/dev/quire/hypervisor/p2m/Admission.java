// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.FrameMapper;

/**
 * What a p2m accepts, whatever is there now: ranges within its width, frames within the machine and
 * the domain's right to them. Decided before anything is changed; no other code keeps a guest from
 * a frame that is not its own.
 */
final class Admission {
  private final P2mHost host;
  private final int width;
  private final EntryCodec codec;

  Admission(P2mHost host, P2mTables tables) {
    this.host = host;
    this.width = tables.width();
    this.codec = tables.codec();
  }

  boolean isRange(@Gfn long gfn, int order) {
    return order >= 0
        && order <= width
        && gfn >= 0
        && gfn >>> width == 0
        && gfn + (1L << order) <= 1L << width;
  }

  /**
   * Whether guest frames may be made so.
   *
   * @param what a {@link dev.quire.api.domain.P2mEntry} of the first
   */
  Errno check(@Gfn long gfn, @Mfn long mfn, int order, P2mType type, long what) {
    if (!isRange(gfn, order) || type == P2mType.MAP_FOREIGN && order > 0) {
      return Errno.EINVAL;
    }
    Errno frames = mfn == FrameMapper.NONE ? withoutFrame(type) : withFrames(mfn, order, type);
    if (frames != Errno.OK) {
      return frames;
    }
    return codec.canHold(what) ? Errno.OK : Errno.EOPNOTSUPP;
  }

  private static Errno withoutFrame(P2mType type) {
    boolean allowed = type.is(Group.NO_FRAME) || type.is(Group.HOLE);
    return allowed && !type.is(Group.SPECIAL) ? Errno.OK : Errno.EINVAL;
  }

  private Errno withFrames(@Mfn long mfn, int order, P2mType type) {
    long frames = 1L << host.machine().profile().physicalBits() - Addresses.PAGE_SHIFT;
    if (mfn < 0 || mfn > frames - (1L << order) || type.is(Group.HOLE)) {
      return Errno.EINVAL;
    }
    for (long i = 0; i < 1L << order; i++) {
      if (!mayHave(Addresses.advance(mfn, i), type)) {
        return Errno.EPERM;
      }
    }
    return Errno.OK;
  }

  private boolean mayHave(@Mfn long mfn, P2mType type) {
    if (type == P2mType.MMIO_DIRECT) {
      return !host.machine().memory().isRam(Addresses.mfnToMaddr(mfn));
    }
    int owner = host.m2p().owner(mfn);
    return type.is(Group.SPECIAL)
        ? owner != MachineToPhysical.NOBODY && owner != host.domain()
        : owner == host.domain();
  }
}
