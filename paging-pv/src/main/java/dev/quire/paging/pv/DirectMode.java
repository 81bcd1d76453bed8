// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import org.jspecify.annotations.Nullable;

/** A vCPU on its own tables. */
final class DirectMode implements PagingMode {
  private static final int LEVELS = 4;

  @Override
  public int guestLevels() {
    return LEVELS;
  }

  @Override
  public int hardwareLevels() {
    return LEVELS;
  }

  /** What the guest interface did not take is the guest's. */
  @Override
  public Resolution pageFault(Vcpu vcpu) {
    return Resolution.INJECT;
  }

  @Override
  public boolean invalidate(Vcpu vcpu, @Gva long linear) {
    return true;
  }

  @Override
  public long translate(Vcpu vcpu, @Gva long linear, long access, @Nullable WalkTrace trace) {
    return vcpu.translate(linear, access, trace);
  }

  @Override
  public void updateCr3(Vcpu vcpu, boolean keepCached) {
    vcpu.control().registers().cr3 = vcpu.registers().cr3;
  }

  @Override
  public void writeGuestEntry(Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long value) {
    throw new IllegalStateException("entries of PV guests change by way of the guest interface");
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement) {
    throw new IllegalStateException("entries of PV guests change by way of the guest interface");
  }
}
