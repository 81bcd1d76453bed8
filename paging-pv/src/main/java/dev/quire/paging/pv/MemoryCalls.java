// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.hw.FrameMapper;

/**
 * {@code memory_op}: more memory, less memory, other memory, in frames. The argument is a {@code
 * xen_memory_reservation}: where the frame numbers are, how many, their order, whose. The answer is
 * how many were done. A call that stops goes on at the extent that the upper bits of its command
 * say ({@code MEMOP_EXTENT_SHIFT}).
 */
final class MemoryCalls {
  private static final int INCREASE = 0;
  private static final int DECREASE = 1;
  private static final int POPULATE = 6;
  private static final int EXTENT_SHIFT = 6;
  private static final int RESERVATION_LONGS = 4;

  /** As many as the upper bits of the command can count. */
  private static final long MOST_EXTENTS = 0xffffffffL >>> EXTENT_SHIFT;

  /** Larger extents would have to be contiguous; none are given. */
  private static final int MOST_ORDER = 0;

  private final PvVcpu vcpu;
  private final long[] reservation = new long[RESERVATION_LONGS];
  private final long[] frame = new long[1];

  MemoryCalls(PvVcpu vcpu) {
    this.vcpu = vcpu;
  }

  long run(Call call) {
    vcpu.work().forgetReason();
    int command = (int) call.argument(0) & (1 << EXTENT_SHIFT) - 1;
    if (command != INCREASE && command != DECREASE && command != POPULATE) {
      vcpu.work().because(PvRule.COMMAND);
      return vcpu.answer(Errno.ENOSYS);
    }
    long start = call.argument(0) >>> EXTENT_SHIFT;
    if (!vcpu.copy().read(Addresses.gva(call.argument(1)), RESERVATION_LONGS, reservation)) {
      vcpu.work().because(PvRule.POINTER);
      return vcpu.answer(Errno.EFAULT);
    }
    long extents = reservation[1];
    int owner = (int) reservation[3] & 0xffff;
    boolean bad =
        Long.compareUnsigned(extents, MOST_EXTENTS) > 0
            || extents <= start
            || Integer.compareUnsigned(order(), MOST_ORDER) > 0;
    int whose = vcpu.domain().frameOwner(owner);
    if (bad || whose == FrameTable.NOBODY) {
      vcpu.work().because(bad ? PvRule.ARGUMENT : PvRule.NO_SUCH_DOMAIN);
      vcpu.answer(Errno.EINVAL);
      return start; // so many were done: none more
    }
    if (whose != vcpu.domain().id()) {
      vcpu.work().because(PvRule.NOT_PRIVILEGED);
      return vcpu.answer(Errno.EPERM);
    }
    return extents(call, command, start, extents);
  }

  private int order() {
    return (int) reservation[2];
  }

  private long extents(Call call, int command, long start, long extents) {
    long list = reservation[0];
    for (long at = start; at < extents; at++) {
      if (at > start && vcpu.work().mustYield()) {
        return call.again(at << EXTENT_SHIFT | command, call.argument(1), 0, 0);
      }
      @Gva long here = Addresses.gva(list + at * Long.BYTES);
      boolean done =
          switch (command) {
            case INCREASE -> increase(list == 0 ? Addresses.gva(0) : here);
            case DECREASE -> decrease(here);
            default -> populate(here);
          };
      if (!done) {
        vcpu.answer(Errno.EINVAL);
        return at;
      }
    }
    return extents;
  }

  private boolean increase(@Gva long tellAt) {
    @Mfn long mfn = vcpu.domain().host().allocate(0);
    if (mfn == FrameMapper.NONE) {
      vcpu.work().because(PvRule.NO_MEMORY);
      return false;
    }
    return tellAt == 0 || tell(tellAt, mfn);
  }

  private boolean populate(@Gva long at) {
    if (!vcpu.copy().read(at, 1, frame)) {
      vcpu.work().because(PvRule.POINTER);
      return false;
    }
    @Mfn long mfn = vcpu.domain().host().allocate(0);
    if (mfn == FrameMapper.NONE) {
      vcpu.work().because(PvRule.NO_MEMORY);
      return false;
    }
    vcpu.domain().host().machineToPhysical(mfn, frame[0]);
    return tell(at, mfn);
  }

  private boolean tell(@Gva long at, @Mfn long mfn) {
    if (vcpu.copy().write(at, Long.BYTES, mfn)) {
      return true;
    }
    vcpu.work().because(PvRule.POINTER); // the frame stays the domain's, as in Xen
    return false;
  }

  /**
   * Takes the domain's own reference from a frame. Whatever else refers to it - a mapping, a pin -
   * keeps it the domain's until it does no more (XSA-252: nothing is unpinned).
   */
  private boolean decrease(@Gva long at) {
    if (!vcpu.copy().read(at, 1, frame)) {
      vcpu.work().because(PvRule.POINTER);
      return false;
    }
    FrameTable frames = vcpu.frames();
    @Mfn long mfn = Addresses.mfn(frame[0]);
    if (mfn < 0 || mfn >= frames.end() || !frames.get(mfn, vcpu.domain().id())) {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return false;
    }
    boolean special = vcpu.domain().isSpecial(mfn);
    if (!special) {
      frames.release(mfn);
    } else {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
    }
    frames.put(mfn);
    return !special;
  }
}
