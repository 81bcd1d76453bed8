// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.hw.FrameMapper;

/**
 * {@code update_va_mapping}: changes the level-1 entry of an address, and flushes what the guest
 * asks for, if the change was made (XSA-279).
 */
final class VaMapping {
  private static final int KIND = 3;
  private static final int TLB_FLUSH = 1;
  private static final int INVLPG = 2;
  private static final long LOCAL = 0;
  private static final long ALL = 4;

  private final PvVcpu vcpu;

  VaMapping(PvVcpu vcpu) {
    this.vcpu = vcpu;
  }

  /**
   * Makes the call.
   *
   * @param frameOwner as the guest names the domain whose frame is mapped
   */
  Errno run(@Gva long linear, long value, long flags, int frameOwner) {
    PvDomain domain = vcpu.domain();
    int owner = domain.frameOwner(frameOwner);
    if (owner == FrameTable.NOBODY) {
      vcpu.work().because(PvRule.NO_SUCH_DOMAIN);
      return Errno.ESRCH;
    }
    if (!domain.hasPowerOver(owner)) {
      vcpu.work().because(PvRule.NOT_PRIVILEGED);
      return Errno.EPERM;
    }
    @Maddr long slot = vcpu.level1Slot(linear);
    if (slot == FrameMapper.NONE) {
      vcpu.work().because(PvRule.NO_LEVEL_1);
      return Errno.EINVAL;
    }
    Errno result = domain.tables().updates().updateLevel1(slot, value, owner, vcpu.work());
    return result.isOk() ? flush(linear, flags) : result;
  }

  private Errno flush(@Gva long linear, long flags) {
    long which = flags & ~(long) KIND;
    return switch ((int) flags & KIND) {
      case TLB_FLUSH -> flush(which);
      case INVLPG -> flushLinear(which, linear);
      default -> Errno.OK;
    };
  }

  private Errno flush(long which) {
    if (which == LOCAL) {
      return vcpu.flushes().local();
    }
    return which == ALL ? vcpu.flushes().all() : vcpu.flushes().some(Addresses.gva(which));
  }

  private Errno flushLinear(long which, @Gva long linear) {
    if (which == LOCAL) {
      return vcpu.flushes().local(linear);
    }
    return which == ALL
        ? vcpu.flushes().all(linear)
        : vcpu.flushes().some(Addresses.gva(which), linear);
  }
}
