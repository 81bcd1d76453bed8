// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;

/**
 * Shadow paging of a PV domain: without references, translation or an address space of the
 * hypervisor's own ({@code PG_SH_enable | PG_log_dirty}). The guest's interface sees to it that its
 * tables hold nothing that the guest must not have, and that the guest cannot write them; it tells
 * of each entry that it changes, and of each frame that is a table no more. So shadows are always
 * in step, no write is emulated here, and none is a guess.
 */
final class PvShadowDomain extends ShadowDomain {
  PvShadowDomain(Domain domain, ShadowOptions options) {
    super(domain, options.inStep(), new MachineFrames(domain));
  }

  @Override
  public void machineMemoryWritten(@Maddr long address, int bytes) {
    @Mfn long mfn = Addresses.maddrToMfn(address);
    lock();
    try {
      if (graph().isTable(mfn)) {
        flushIf(writes().changed(mfn, (int) Addresses.pageOffset(address), bytes));
      }
    } finally {
      unlock();
    }
  }

  @Override
  public void tableEnding(@Mfn long mfn) {
    lock();
    try {
      flushIf(graph().isTable(mfn) && unshadowing().discard(mfn));
    } finally {
      unlock();
    }
  }
}
