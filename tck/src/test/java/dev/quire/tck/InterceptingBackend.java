// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gva;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;

/**
 * Native paging that watches: page faults, all that loads a root, and invalidations come out, and
 * it does what the hardware would have done. Correct; defects are put into it.
 */
class InterceptingBackend extends ForwardingBackend {
  InterceptingBackend(PagingBackend inner) {
    super(inner);
  }

  Resolution pageFault(Vcpu vcpu) {
    return Resolution.INJECT;
  }

  void updateCr3(PagingMode mode, Vcpu vcpu, boolean keepCached) {
    mode.updateCr3(vcpu, keepCached);
  }

  boolean invalidate(PagingMode mode, Vcpu vcpu, @Gva long linear) {
    return mode.invalidate(vcpu, linear);
  }

  @Override
  PagingDomain around(Domain domain, PagingDomain hold) {
    return new ForwardingDomain(hold) {
      @Override
      public PagingMode updatePagingModes(Vcpu vcpu) {
        PagingMode mode = super.updatePagingModes(vcpu);
        vcpu.control().interceptPageFaults(0, 0);
        vcpu.control().interceptRegisters(Cr0.PG, true, Cr4.PAGING, true, false);
        vcpu.control().interceptInvalidation(true);
        return new Mode(mode);
      }
    };
  }

  private final class Mode extends ForwardingMode {
    private final PagingMode mode;

    Mode(PagingMode mode) {
      super(mode);
      this.mode = mode;
    }

    @Override
    public Resolution pageFault(Vcpu vcpu) {
      return InterceptingBackend.this.pageFault(vcpu);
    }

    @Override
    public void updateCr3(Vcpu vcpu, boolean keepCached) {
      InterceptingBackend.this.updateCr3(mode, vcpu, keepCached);
    }

    @Override
    public boolean invalidate(Vcpu vcpu, @Gva long linear) {
      return InterceptingBackend.this.invalidate(mode, vcpu, linear);
    }
  }
}
