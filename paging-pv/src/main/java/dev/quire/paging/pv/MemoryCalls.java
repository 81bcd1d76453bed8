// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.hw.FrameMapper;
import org.jspecify.annotations.Nullable;

/**
 * {@code memory_op}: more memory, less memory, other memory. The argument of the first two is a
 * {@code xen_memory_reservation}: where the frame numbers of extents are, how many, their order,
 * whose. The answer is how many were done. A call that stops goes on at the extent that the upper
 * bits of its command say ({@code MEMOP_EXTENT_SHIFT}).
 */
final class MemoryCalls {
  private static final int INCREASE = 0;
  private static final int DECREASE = 1;
  private static final int POPULATE = 6;
  private static final int EXCHANGE = 11;
  private static final int EXTENT_SHIFT = 6;
  private static final int RESERVATION_LONGS = 4;

  /** As many as the upper bits of the command can count. */
  private static final long MOST_EXTENTS = 0xffffffffL >>> EXTENT_SHIFT;

  private final PvVcpu vcpu;
  private final MemoryExchange exchange;
  private final long[] reservation = new long[RESERVATION_LONGS];
  private final long[] frame = new long[1];

  /** The domain whose memory it is, while a call is made. */
  private PvDomain target;

  MemoryCalls(PvVcpu vcpu) {
    this.vcpu = vcpu;
    target = vcpu.domain();
    exchange = new MemoryExchange(vcpu);
  }

  long run(Call call) {
    vcpu.work().forgetReason();
    int command = (int) call.argument(0) & (1 << EXTENT_SHIFT) - 1;
    long start = (call.argument(0) & 0xffffffffL) >>> EXTENT_SHIFT;
    return switch (command) {
      case INCREASE, DECREASE, POPULATE -> reserve(call, command, start);
      case EXCHANGE -> start == 0 ? exchange.run(call) : refuse(PvRule.ARGUMENT, Errno.EINVAL);
      default -> refuse(PvRule.COMMAND, Errno.ENOSYS);
    };
  }

  private long refuse(PvRule rule, Errno error) {
    vcpu.work().because(rule);
    return vcpu.answer(error);
  }

  private long reserve(Call call, int command, long start) {
    PvRule wrong = read(Addresses.gva(call.argument(1)), start);
    if (wrong != null) {
      refuse(wrong, Errno.EINVAL);
      return start; // so many were done: none more
    }
    return extents(call, command, start);
  }

  /** Reads what is asked for and finds the domain; the answer is what is wrong with it. */
  private @Nullable PvRule read(@Gva long from, long start) {
    if (!vcpu.copy().read(from, RESERVATION_LONGS, reservation)) {
      return PvRule.POINTER;
    }
    long extents = reservation[1];
    if (Long.compareUnsigned(extents, MOST_EXTENTS) > 0 || extents <= start) {
      return PvRule.ARGUMENT;
    }
    PvDomain domain = vcpu.domain();
    int whose = domain.frameOwner((int) reservation[3] & 0xffff);
    PvDomain of = whose == domain.id() ? domain : domain.peer(whose);
    if (of == null) {
      return whose == FrameTable.NOBODY ? PvRule.NO_SUCH_DOMAIN : PvRule.NOT_PV;
    }
    target = of;
    if (!domain.hasPowerOver(whose)) {
      return PvRule.NOT_PRIVILEGED;
    }
    if (Integer.compareUnsigned(order(), domain.mostOrder()) > 0) {
      return PvRule.ARGUMENT;
    }
    boolean told = reservation[0] == 0 || vcpu.copy().isList(reservation[0], start, extents);
    return told ? null : PvRule.POINTER;
  }

  private int order() {
    return (int) reservation[2];
  }

  private long extents(Call call, int command, long start) {
    long list = reservation[0];
    long extents = reservation[1];
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
    @Mfn long first = allocate();
    return first != FrameMapper.NONE && (tellAt == 0 || tell(tellAt, first));
  }

  private boolean populate(@Gva long at) {
    if (!vcpu.copy().read(at, 1, frame)) {
      vcpu.work().because(PvRule.POINTER);
      return false;
    }
    long gfn = frame[0];
    @Mfn long first = allocate();
    if (first == FrameMapper.NONE) {
      return false;
    }
    for (long i = 0; i < 1L << order(); i++) {
      target.host().machineToPhysical(Addresses.advance(first, i), gfn + i);
    }
    return tell(at, first);
  }

  private @Mfn long allocate() {
    @Mfn long first = target.host().allocateOrder(order());
    if (first == FrameMapper.NONE) {
      vcpu.work().because(PvRule.NO_MEMORY);
    }
    return first;
  }

  private boolean tell(@Gva long at, @Mfn long mfn) {
    if (vcpu.copy().write(at, Long.BYTES, mfn)) {
      return true;
    }
    vcpu.work().because(PvRule.POINTER); // the frames stay the domain's, as in Xen
    return false;
  }

  private boolean decrease(@Gva long at) {
    if (!vcpu.copy().read(at, 1, frame)) {
      vcpu.work().because(PvRule.POINTER);
      return false;
    }
    for (long i = 0; i < 1L << order(); i++) {
      if (!remove(frame[0] + i)) {
        return false; // those before it in the extent are gone, as in Xen
      }
    }
    return true;
  }

  /**
   * Takes the domain's own reference from a frame. Whatever else refers to it - a mapping, a pin -
   * keeps it the domain's until it does no more (XSA-252: nothing is unpinned).
   */
  private boolean remove(long number) {
    FrameTable frames = vcpu.frames();
    @Mfn long mfn = Addresses.mfn(number);
    if (number < 0 || mfn >= frames.end() || !frames.get(mfn, target.id())) {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return false;
    }
    boolean special = target.isSpecial(mfn);
    if (!special) {
      frames.release(mfn);
    } else {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
    }
    frames.put(mfn);
    return !special;
  }
}
