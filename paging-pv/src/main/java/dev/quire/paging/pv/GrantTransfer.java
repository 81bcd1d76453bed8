// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameWords;

/**
 * Gives frames of a domain to another that waits for them ({@code gnttab_transfer}). A frame to
 * which nobody refers but its owner leaves the owner for good: if then nobody takes it, it is free.
 */
final class GrantTransfer {
  private final PvVcpu vcpu;
  private final PvDomain domain;

  GrantTransfer(PvVcpu vcpu) {
    this.vcpu = vcpu;
    domain = vcpu.domain();
  }

  /**
   * Makes one transfer.
   *
   * @param number of the frame
   * @param ref by which the other domain waits for it
   */
  GrantStatus transfer(long number, int to, int ref) {
    FrameTable frames = vcpu.frames();
    if (number < 0 || number >= frames.end()) {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return GrantStatus.BAD_PAGE;
    }
    @Mfn long mfn = Addresses.mfn(number);
    if (!frames.steal(mfn, domain.id()).isOk()) {
      vcpu.work().because(PvRule.REFERRED_TO);
      return GrantStatus.BAD_PAGE;
    }
    domain.host().machineToPhysical(mfn, -1);
    domain.host().flushAll();
    GrantStatus status = offer(mfn, to, ref);
    if (!status.isOkay()) {
      frames.assign(mfn, domain.id(), FrameWords.ALLOCATED);
      frames.release(mfn);
    }
    return status;
  }

  private GrantStatus offer(@Mfn long mfn, int to, int ref) {
    if (!domain.host().exists(to)) {
      vcpu.work().because(PvRule.NO_SUCH_DOMAIN);
      return GrantStatus.BAD_DOMAIN;
    }
    PvDomain taker = domain.peer(to);
    if (taker == null) {
      vcpu.work().because(PvRule.NOT_PV);
      return GrantStatus.GENERAL_ERROR;
    }
    if (!taker.grants().accept(ref, domain.id(), vcpu.work())) {
      return GrantStatus.GENERAL_ERROR;
    }
    vcpu.frames().assign(mfn, to, FrameWords.ALLOCATED);
    taker.grants().accepted(ref, mfn);
    return GrantStatus.OKAY;
  }
}
