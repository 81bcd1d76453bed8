// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.hw.MachineSpec.Ram;
import java.util.List;

/**
 * Machine frames, which the tables of a PV guest hold. Whether the guest may map them its interface
 * has decided when the entry came into the table: here all of memory is memory, and what is none is
 * a device that the guest was given. Only the dirty log counts in frames of the guest's.
 */
final class MachineFrames implements FrameSpace {
  private final Domain domain;
  private final List<Ram> ram;

  MachineFrames(Domain domain) {
    this.domain = domain;
    ram = domain.machine().memory().ram();
  }

  @Override
  public long entry(@Gfn long gfn) {
    @Mfn long mfn = Addresses.identityGfnToMfn(gfn);
    P2mType type = isMemory(mfn) ? P2mType.RAM_RW : P2mType.MMIO_DIRECT;
    return P2mEntry.of(mfn, type, P2mAccess.RWX, 0);
  }

  private boolean isMemory(@Mfn long mfn) {
    long address = Addresses.mfnToMaddr(mfn);
    for (int i = 0; i < ram.size(); i++) {
      if (address >= ram.get(i).start() && address < ram.get(i).end()) {
        return true;
      }
    }
    return false;
  }

  @Override
  public long hold(@Gfn long gfn, boolean write) {
    return entry(gfn);
  }

  @Override
  public boolean isTranslated() {
    return false;
  }

  @Override
  public void release(@Gfn long gfn) {
    // the interface's references hold the frame
  }

  @Override
  public @Gfn long number(@Mfn long mfn) {
    return Addresses.identityMfnToGfn(mfn);
  }

  @Override
  public @Gfn long logged(@Gfn long gfn) {
    return domain.mfnToGfn(Addresses.identityGfnToMfn(gfn));
  }

  @Override
  public @Mfn long physical(@Gfn long gfn) {
    return domain.gfnToMfn(gfn);
  }
}
