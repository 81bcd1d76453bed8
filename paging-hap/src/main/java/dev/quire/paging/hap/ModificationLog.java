// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.NestedPaging;
import dev.quire.api.hw.PhysicalMemory;

/**
 * A vCPU's page-modification log: a frame that hardware fills, from the last entry down, with the
 * addresses of frames whose D flag it sets (SDM vol. 3, 29.3.6).
 */
final class ModificationLog {
  private final Vcpu vcpu;
  private final @Mfn long frame;

  /** Of the control block that hardware logs for, which may no longer be the vCPU's at the end. */
  private final NestedPaging nested;

  /**
   * A log.
   *
   * @param frame out of the domain's pool
   */
  ModificationLog(Vcpu vcpu, @Mfn long frame) {
    this.vcpu = vcpu;
    this.frame = frame;
    this.nested = vcpu.control().nested();
  }

  @Mfn
  long frame() {
    return frame;
  }

  /** Has hardware write to it. */
  void start() {
    nested.pmlBase = Addresses.mfnToMaddr(frame);
    nested.pmlIndex = NestedPaging.PML_FIRST;
    nested.logging = true;
  }

  /** Hardware writes to no log. */
  void stop() {
    nested.logging = false;
    nested.pmlBase = Addresses.maddr(0);
  }

  /**
   * Notes what it holds and empties it. A frame that was written is not logged again before the
   * next round.
   *
   * @return how many entries there were
   */
  int drain() {
    Domain domain = vcpu.domain();
    PhysicalMemory memory = domain.machine().memory();
    P2m p2m = domain.p2m();
    int entries = NestedPaging.PML_FIRST - nested.pmlIndex;
    p2m.deferFlushes();
    for (int at = NestedPaging.PML_FIRST; at > nested.pmlIndex; at--) {
      @Gpa
      long gpa =
          Addresses.gpa(memory.load(Addresses.mfnToMaddr(frame, (long) at << 3), Long.BYTES));
      @Gfn long gfn = Addresses.gpaToGfn(gpa);
      domain.logDirty().mark(gfn);
      p2m.changeType(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW); // EBUSY: it is not logged any more
    }
    p2m.flushDeferred();
    nested.pmlIndex = NestedPaging.PML_FIRST;
    return entries;
  }
}
