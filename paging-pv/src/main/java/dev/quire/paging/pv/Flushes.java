// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import java.util.BitSet;

/** Flushes that a guest asks for: of its own vCPUs, by mask, or of all. */
final class Flushes {
  private final PvVcpu vcpu;
  private final DomainHost host;
  private final int vcpus;
  private final BitSet mask;
  private final long[] word = new long[1];

  Flushes(PvVcpu vcpu) {
    this.vcpu = vcpu;
    host = vcpu.domain().host();
    vcpus = host.domain().vcpus();
    mask = new BitSet(vcpus);
  }

  Errno local() {
    host.flush(vcpu.number());
    return Errno.OK;
  }

  /** An address that is not the guest's is ignored, as INVLPG does. */
  Errno local(@Gva long linear) {
    if (vcpu.copy().isGuests(linear)) {
      host.flushLinear(vcpu.number(), linear);
    }
    return Errno.OK;
  }

  Errno all() {
    host.flushAll();
    return Errno.OK;
  }

  Errno all(@Gva long linear) {
    if (vcpu.copy().isGuests(linear)) {
      host.flushLinearAll(linear);
    }
    return Errno.OK;
  }

  /**
   * Flushes the CPUs of some vCPUs.
   *
   * @param bitmap one bit for each vCPU; those that there are not are ignored
   * @return EFAULT if it cannot be read; then nothing is flushed
   */
  Errno some(@Gva long bitmap) {
    if (!readMask(bitmap)) {
      return Errno.EFAULT;
    }
    for (int at = mask.nextSetBit(0); at >= 0; at = mask.nextSetBit(at + 1)) {
      host.flush(at);
    }
    return Errno.OK;
  }

  /** The same for one address. */
  Errno some(@Gva long bitmap, @Gva long linear) {
    if (!readMask(bitmap)) {
      return Errno.EFAULT;
    }
    for (int at = mask.nextSetBit(0); at >= 0; at = mask.nextSetBit(at + 1)) {
      if (vcpu.copy().isGuests(linear)) {
        host.flushLinear(at, linear);
      }
    }
    return Errno.OK;
  }

  private boolean readMask(@Gva long bitmap) {
    mask.clear();
    for (int first = 0; first < vcpus; first += Long.SIZE) {
      @Gva long from = Addresses.advance(bitmap, first >>> 3);
      if (!vcpu.copy().read(from, 1, word)) {
        vcpu.work().because(PvRule.POINTER);
        return false;
      }
      for (int bit = 0; bit < Long.SIZE && first + bit < vcpus; bit++) {
        mask.set(first + bit, (word[0] >>> bit & 1) != 0);
      }
    }
    return true;
  }
}
