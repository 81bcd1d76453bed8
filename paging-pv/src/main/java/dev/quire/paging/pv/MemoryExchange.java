// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.hw.FrameMapper;

/**
 * {@code XENMEM_exchange}: frames for other frames, in extents of other orders perhaps. The
 * argument is two {@code xen_memory_reservation} of the same number of frames - what goes, what
 * comes - and how many extents that go are done already; by that a call that stopped goes on.
 *
 * <p>What is exchanged at a time, a chunk, is as many extents as make one of the larger order. A
 * chunk is exchanged as a whole or not at all.
 */
final class MemoryExchange {
  private static final int LONGS = 9;
  private static final int OUT = 4;
  private static final int DONE = 8;

  private final PvVcpu vcpu;
  private final long[] argument = new long[LONGS];
  private final long[] word = new long[1];
  private long[] going = new long[1];
  private int gone;
  private long[] coming = new long[1];

  private PvDomain target;
  private int inOrder;
  private int outOrder;

  MemoryExchange(PvVcpu vcpu) {
    this.vcpu = vcpu;
    target = vcpu.domain();
  }

  long run(Call call) {
    @Gva long from = Addresses.gva(call.argument(1));
    if (!vcpu.copy().read(from, LONGS, argument)) {
      return vcpu.answer(refuse(PvRule.POINTER, Errno.EFAULT));
    }
    inOrder = (int) argument[2];
    outOrder = (int) argument[OUT + 2];
    Errno result = check();
    if (result.isOk()) {
      result = chunks();
    }
    @Gva long done = Addresses.advance(from, (long) DONE * Long.BYTES);
    if (!vcpu.copy().write(done, Long.BYTES, argument[DONE])) {
      result = refuse(PvRule.POINTER, Errno.EFAULT);
    }
    return result == Errno.ERESTART ? call.again() : vcpu.answer(result);
  }

  private Errno refuse(PvRule rule, Errno error) {
    vcpu.work().because(rule);
    return error;
  }

  private Errno check() {
    PvDomain domain = vcpu.domain();
    int most = domain.mostOrder();
    if (Integer.compareUnsigned(inOrder, most) > 0 || Integer.compareUnsigned(outOrder, most) > 0) {
      return refuse(PvRule.ARGUMENT, Errno.EPERM);
    }
    long goes = argument[1];
    long comes = argument[OUT + 1];
    int whose = (int) argument[3] & 0xffff;
    boolean overflow =
        Long.compareUnsigned(goes, -1L >>> inOrder) > 0
            || Long.compareUnsigned(comes, -1L >>> outOrder) > 0;
    if (overflow
        || Long.compareUnsigned(argument[DONE], goes) > 0
        || whose != ((int) argument[OUT + 3] & 0xffff)
        || goes << inOrder != comes << outOrder) {
      return refuse(PvRule.ARGUMENT, Errno.EINVAL);
    }
    if (!vcpu.copy().isList(argument[0], argument[DONE], goes)
        || !vcpu.copy().isList(argument[OUT], argument[DONE] << inOrder >>> outOrder, comes)) {
      return refuse(PvRule.POINTER, Errno.EFAULT); // no part of it is the hypervisor's (XSA-212)
    }
    return find(domain.frameOwner(whose));
  }

  private Errno find(int whose) {
    PvDomain domain = vcpu.domain();
    if (whose == FrameTable.NOBODY) {
      return refuse(PvRule.NO_SUCH_DOMAIN, Errno.ESRCH);
    }
    if (!domain.hasPowerOver(whose)) {
      return refuse(PvRule.NOT_PRIVILEGED, Errno.EPERM);
    }
    PvDomain of = whose == domain.id() ? domain : domain.peer(whose);
    if (of == null) {
      return refuse(PvRule.NOT_PV, Errno.EINVAL);
    }
    target = of;
    return Errno.OK;
  }

  private Errno chunks() {
    int together = Math.max(outOrder - inOrder, 0);
    long first = argument[DONE] >>> together;
    long end = argument[1] >>> together;
    int frames = 1 << Math.max(inOrder, outOrder);
    going = going.length < frames ? new long[frames] : going;
    coming = coming.length < frames ? new long[frames] : coming;
    for (long chunk = first; chunk < end; chunk++) {
      argument[DONE] = chunk << together;
      if (chunk > first && vcpu.work().mustYield()) {
        return Errno.ERESTART;
      }
      Errno result = chunk(chunk, 1 << together, 1 << Math.max(inOrder - outOrder, 0));
      if (!result.isOk()) {
        return result;
      }
    }
    argument[DONE] = argument[1];
    return Errno.OK;
  }

  /** Exchanges so many extents for so many. */
  private Errno chunk(long chunk, int goes, int comes) {
    gone = 0;
    Errno result = takeAway(argument[0] + chunk * goes * Long.BYTES, goes);
    if (result.isOk()) {
      result = allocate(comes);
    }
    if (!result.isOk()) {
      giveBack();
      return result;
    }
    giveBack();
    for (int i = 0; i < gone; i++) {
      target.host().frames().release(Addresses.mfn(going[i])); // others may have got hold of it
    }
    return tell(argument[OUT] + chunk * comes * Long.BYTES, comes);
  }

  private Errno takeAway(long list, int extents) {
    FrameTable frames = target.host().frames();
    for (int at = 0; at < extents; at++) {
      if (!vcpu.copy().read(Addresses.gva(list + (long) at * Long.BYTES), 1, word)) {
        return refuse(PvRule.POINTER, Errno.EFAULT);
      }
      for (long i = 0; i < 1L << inOrder; i++) {
        long number = word[0] + i;
        if (number < 0 || number >= frames.end()) {
          return refuse(PvRule.NOT_THE_DOMAINS_FRAME, Errno.EINVAL);
        }
        if (!frames.steal(Addresses.mfn(number), target.id()).isOk()) {
          return refuse(PvRule.REFERRED_TO, Errno.EINVAL);
        }
        going[gone] = number;
        gone++;
      }
    }
    return Errno.OK;
  }

  private Errno allocate(int extents) {
    DomainHost host = target.host();
    for (int at = 0; at < extents; at++) {
      @Mfn long first = host.allocateOrder(outOrder);
      if (first == FrameMapper.NONE) {
        while (at-- > 0) {
          for (long i = 0; i < 1L << outOrder; i++) {
            host.frames().release(Addresses.advance(Addresses.mfn(coming[at]), i));
          }
        }
        return refuse(PvRule.NO_MEMORY, Errno.ENOMEM);
      }
      coming[at] = first;
    }
    return Errno.OK;
  }

  /** What was taken is the domain's again. */
  private void giveBack() {
    for (int i = 0; i < gone; i++) {
      target.host().frames().assign(Addresses.mfn(going[i]), target.id(), FrameWords.ALLOCATED);
    }
  }

  /** The guest names the frames that come by its own numbers, and learns the machine's. */
  private Errno tell(long list, int extents) {
    Errno result = Errno.OK;
    for (int at = 0; at < extents; at++) {
      @Gva long here = Addresses.gva(list + (long) at * Long.BYTES);
      if (!vcpu.copy().read(here, 1, word)) {
        result = refuse(PvRule.POINTER, Errno.EFAULT);
        continue;
      }
      for (long i = 0; i < 1L << outOrder; i++) {
        @Mfn long mfn = Addresses.advance(Addresses.mfn(coming[at]), i);
        target.host().machineToPhysical(mfn, word[0] + i);
      }
      if (!vcpu.copy().write(here, Long.BYTES, coming[at])) {
        result = refuse(PvRule.POINTER, Errno.EFAULT);
      }
    }
    return result;
  }
}
