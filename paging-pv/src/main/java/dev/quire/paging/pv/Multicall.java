// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.hw.OperationBlock;

/**
 * {@code multicall}: a list of calls of 8 quadwords each - which one, its answer, six arguments -
 * one after the other. A call in it that is preempted is written back as it goes on, and the
 * multicall goes on with it.
 */
final class Multicall {
  private static final int ENTRY_LONGS = 8;
  private static final int ENTRY_BYTES = ENTRY_LONGS * Long.BYTES;
  private static final int RESULT = Long.BYTES;
  private static final int ARGUMENTS = 2;
  private static final long EFAULT = -14;

  private final PvVcpu vcpu;
  private final Hypercalls calls;
  private final Call inner = new Call();
  private final long[] entry = new long[ENTRY_LONGS];

  Multicall(PvVcpu vcpu, Hypercalls calls) {
    this.vcpu = vcpu;
    this.calls = calls;
  }

  long run(Call call) {
    long list = call.argument(0);
    int count = (int) call.argument(1);
    for (int at = 0; at < count; at++) {
      @Gva long here = Addresses.gva(list + (long) at * ENTRY_BYTES);
      if (at > 0 && vcpu.work().mustYield()) {
        return call.again(here, count - at, 0, 0);
      }
      if (!vcpu.copy().read(here, ENTRY_LONGS, entry)) {
        return EFAULT;
      }
      inner.set(entry[0]);
      for (int i = 0; i < OperationBlock.ARGUMENTS; i++) {
        inner.argument(i, entry[ARGUMENTS + i]);
      }
      long answer = calls.runOne(inner);
      if (inner.isToBeMadeAgain()) {
        return writeBack(here) ? call.again(here, count - at, 0, 0) : EFAULT;
      }
      if (!vcpu.copy().write(Addresses.advance(here, RESULT), Long.BYTES, answer)) {
        return EFAULT;
      }
      if (!vcpu.roots().isInKernel()) {
        return 0; // an iret has left the kernel, and the rest is not the user program's (XSA-213)
      }
    }
    return 0;
  }

  private boolean writeBack(@Gva long here) {
    boolean done = true;
    for (int i = 0; i < OperationBlock.ARGUMENTS; i++) {
      @Gva long to = Addresses.advance(here, (ARGUMENTS + i) * (long) Long.BYTES);
      done &= vcpu.copy().write(to, Long.BYTES, inner.argument(i));
    }
    return done;
  }
}
