// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.x86.PageEntry;
import java.util.ArrayList;
import java.util.List;

/**
 * Nested paging on a copy of the p2m, made when a vCPU's mode is chosen: right until the p2m
 * changes, for nothing tells the copy.
 */
final class P2mCopyBackend extends ForwardingBackend {
  P2mCopyBackend(PagingBackend inner) {
    super(inner);
  }

  @Override
  PagingDomain around(Domain domain, PagingDomain hold) {
    return new Hold(domain, hold);
  }

  private static final class Hold extends ForwardingDomain {
    private final Domain domain;
    private final List<Long> frames = new ArrayList<>();
    private long root = -1;

    Hold(Domain domain, PagingDomain inner) {
      super(inner);
      this.domain = domain;
    }

    @Override
    public PagingMode updatePagingModes(Vcpu vcpu) {
      PagingMode mode = super.updatePagingModes(vcpu);
      if (root < 0) {
        root = copy(vcpu.control().nested().root, domain.p2m().levels());
      }
      vcpu.control().nested().root = Addresses.maddr(root);
      return mode;
    }

    private long copy(@Maddr long table, int level) {
      PhysicalMemory memory = domain.machine().memory();
      long frame = domain.pool().allocate();
      frames.add(frame);
      long[] to = memory.frame(Addresses.mfn(frame));
      long[] from = memory.frameToRead(Addresses.maddrToMfn(table));
      for (int i = 0; i < to.length; i++) {
        boolean refersToTable =
            level > 1 && (from[i] & PageEntry.P) != 0 && (from[i] & PageEntry.PS) == 0;
        to[i] =
            refersToTable
                ? from[i] & ~PageEntry.FRAME
                    | copy(Addresses.maddr(from[i] & PageEntry.FRAME), level - 1)
                : from[i];
      }
      return frame << Addresses.PAGE_SHIFT;
    }

    @Override
    public void detach() {
      super.detach();
      frames.forEach(frame -> domain.pool().free(Addresses.mfn(frame)));
    }
  }
}
