// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.PagingWork;

/**
 * A hypercall with a list of requests: how {@code mmu_update} and {@code mmuext_op} begin, stop, go
 * on and end. Arguments are the list, how many there are, where the number of those done shall be
 * written, and the domain that they are about. The first request that fails ends the call.
 */
abstract class Batch {
  /** In the number of requests: the call goes on after it was preempted. */
  static final int PREEMPTED = 1 << 31;

  /** The domain that makes the call. */
  static final int DOMID_SELF = 0x7ff0;

  private final PvVcpu vcpu;
  private final boolean ofWords;
  private final int requestBytes;
  private final long[] request;

  /**
   * Requests of so many fields.
   *
   * @param ofWords whether a field has 4 bytes instead of 8
   */
  Batch(PvVcpu vcpu, int fields, boolean ofWords) {
    this.vcpu = vcpu;
    this.ofWords = ofWords;
    requestBytes = fields * (ofWords ? Integer.BYTES : Long.BYTES);
    request = new long[fields];
  }

  PvVcpu vcpu() {
    return vcpu;
  }

  /**
   * Finds the domains.
   *
   * @return anything but OK ends the call before its first request
   */
  abstract Errno begin(int foreignDomain);

  /** Does one request. */
  abstract Errno perform(long[] fields);

  /** The last request of this part of the call is done. */
  abstract void end();

  final long run(Call call) {
    PagingWork work = vcpu.work();
    if (!work.finish(vcpu.frames()).isOk()) {
      return call.again();
    }
    long list = call.argument(0);
    int count = (int) call.argument(1);
    int foreign = (int) call.argument(3);
    if (count == PREEMPTED && list == 0) {
      return foreign; // everything is done, and this is how it went
    }
    long done = (count & PREEMPTED) == 0 ? 0 : doneBefore(call.argument(2));
    count &= ~PREEMPTED;
    work.forgetReason();
    Errno result = vcpu.copy().isGuests(Addresses.gva(list)) ? begin(foreign) : Errno.EFAULT;
    if (!result.isOk()) {
      return vcpu.answer(result);
    }
    int at = 0;
    for (; at < count && result.isOk(); at += result.isOk() ? 1 : 0) {
      result = work.hasDeferred() || at > 0 && work.mustYield() ? Errno.ERESTART : one(list, at);
    }
    end();
    tell(call.argument(2), done + at);
    if (result == Errno.ERESTART) {
      return call.again(
          list + (long) at * requestBytes, count - at | PREEMPTED, call.argument(2), foreign);
    }
    long answer = vcpu.answer(result);
    return work.hasDeferred() ? call.again(0, PREEMPTED, 0, answer) : answer;
  }

  private Errno one(long list, int at) {
    vcpu.work().forgetReason();
    @Gva long from = Addresses.gva(list + (long) at * requestBytes);
    boolean read =
        ofWords
            ? vcpu.copy().readWords(from, request.length, request)
            : vcpu.copy().read(from, request.length, request);
    if (!read) {
      vcpu.work().because(PvRule.POINTER);
      return Errno.EFAULT;
    }
    return perform(request);
  }

  private long doneBefore(long pointer) {
    return pointer != 0 && vcpu.copy().read(Addresses.gva(pointer), 1, request)
        ? request[0] & 0xffffffffL
        : 0;
  }

  private void tell(long pointer, long done) {
    if (pointer != 0) {
      vcpu.copy().write(Addresses.gva(pointer), Integer.BYTES, done);
    }
  }
}
