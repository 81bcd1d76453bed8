// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.FrameMapper;

/**
 * What follows for shadows when the hypervisor changes something behind the guest's back: its
 * memory, or which memory that is ({@code sh_unshadow_for_p2m_change}). Takes the domain's lock.
 */
final class HypervisorChanges {
  private final ShadowDomain domain;

  HypervisorChanges(ShadowDomain domain) {
    this.domain = domain;
  }

  /** Frames of guest memory have other content. */
  void memoryChanged(@Gfn long first, long count) {
    domain.lock();
    try {
      boolean flush = false;
      for (long i = 0; i < count; i++) {
        @Mfn long mfn = domain.frames().physical(Addresses.advance(first, i));
        if (mfn != FrameMapper.NONE && domain.graph().isTable(mfn)) {
          flush |= domain.writes().changed(mfn, 0, (int) Addresses.PAGE_SIZE);
        }
      }
      domain.flushIf(flush);
    } finally {
      domain.unlock();
    }
  }

  /** What was derived from the old entry goes; the hypervisor flushes after the change. */
  void p2mChanging(int order, long before, long after) {
    if (!P2mEntry.hasFrame(before) || before == after) {
      return;
    }
    domain.lock();
    try {
      @Mfn long first = P2mEntry.mfn(before);
      domain.unshadowing().removeMappings(first, 1L << order);
      domain.highLevel().forget(first, 1L << order);
      boolean flush = false;
      for (long i = 0; i < 1L << order; i++) {
        @Mfn long mfn = Addresses.advance(first, i);
        flush |= domain.data().isCounted(mfn) && domain.unshadowing().discard(mfn);
      }
      domain.flushIf(flush);
    } finally {
      domain.unlock();
    }
  }

  /** Which entries say that a device lies there is not known: if any may, all go. */
  void p2mChanged(long after) {
    if (P2mEntry.type(after) == P2mType.MMIO_DM) {
      return;
    }
    domain.lock();
    try {
      if (domain.propagation().mayHaveDevices()) {
        domain.unshadowing().blow();
        domain.flush();
      }
    } finally {
      domain.unlock();
    }
  }
}
