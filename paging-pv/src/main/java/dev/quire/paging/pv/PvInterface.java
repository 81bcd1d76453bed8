// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.DomainHost;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.hw.PhysicalMemory;
import dev.quire.api.x86.CpuProfile;
import dev.quire.api.x86.CpuProfile.Feature;

/**
 * The interface of 64-bit Xen PV guests: the guest's own tables are the hardware's, and every frame
 * has a type that keeps them safe.
 */
@ServiceProvider(GuestInterface.class)
public final class PvInterface implements GuestInterface {
  /** So many entries are checked between two safe points. */
  private static final int QUESTIONS = 4096;

  /** For the service loader. */
  public PvInterface() {}

  @Override
  public String name() {
    return "pv";
  }

  @Override
  public String description() {
    return "64-bit Xen PV guests: direct pagetables, validated by the types of frames";
  }

  @Override
  public Pagetables pagetables(
      FrameTable frames, PhysicalMemory memory, GuestPolicy policy, int owner) {
    return new PvPagetables(frames, memory, policy, owner);
  }

  @Override
  public InterfaceDomain take(DomainHost host) {
    CpuProfile profile = host.domain().machine().profile();
    if (!profile.has(Feature.LONG_MODE) || !profile.has(Feature.NX)) {
      throw new IllegalArgumentException("a 64-bit PV guest needs a CPU with long-mode and nx");
    }
    PvDomain domain = new PvDomain(host, () -> Patience.of(QUESTIONS));
    try {
      new DomainBuilder(domain).build();
    } catch (RuntimeException refused) {
      while (domain.relinquish() == Errno.ERESTART) {
        Thread.onSpinWait();
      }
      throw refused;
    }
    return domain;
  }
}
