// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.GuestInterface;
import dev.quire.api.domain.GuestPolicy;
import dev.quire.api.domain.Pagetables;
import dev.quire.api.hw.PhysicalMemory;

/**
 * The interface of 64-bit Xen PV guests: the guest's own tables are the hardware's, and every frame
 * has a type that keeps them safe.
 */
@ServiceProvider(GuestInterface.class)
public final class PvInterface implements GuestInterface {
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
}
