// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.nativepaging;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.util.List;
import java.util.Map;

/** A hold on a domain that holds nothing. */
final class NativeDomain implements PagingDomain {
  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    ControlBlock control = vcpu.control();
    control.registers().set(vcpu.registers());
    control.interceptRegisters(0, false, 0, false, false);
    control.interceptInvalidation(false);
    control.passPageFaults();
    return new NativeMode(vcpu);
  }

  @Override
  public void guestMemoryChanged(@Gfn long first, long count) {
    // nothing is derived from guest memory but what TLBs hold, and those are the guest's to flush
  }

  @Override
  public void detach() {
    // no table of ours is in use
  }

  @Override
  public List<String> audit() {
    return List.of();
  }

  @Override
  public Map<String, Long> statistics() {
    return Map.of();
  }
}
