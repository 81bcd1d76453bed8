// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.util.List;
import java.util.Map;

/** A hold on a domain whose own tables the hardware walks: intercepts, and nothing derived. */
final class DirectPaging implements PagingDomain {
  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    ControlBlock control = vcpu.control();
    control.registers().set(vcpu.registers());
    control.interceptRegisters(-1, true, -1, true, true); // without privilege every one traps
    control.interceptInvalidation(true);
    control.interceptPageFaults(0, 0);
    return new DirectMode();
  }

  @Override
  public void guestMemoryChanged(@Gfn long first, long count) {
    // nothing is derived from guest memory but what TLBs hold
  }

  @Override
  public void detach() {
    // no table of ours is in use
  }

  @Override
  public List<String> audit() {
    return List.of(); // the counts are the guest interface's to audit
  }

  @Override
  public Map<String, Long> statistics() {
    return Map.of();
  }
}
