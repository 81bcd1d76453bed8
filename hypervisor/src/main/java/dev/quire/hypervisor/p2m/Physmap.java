// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;

/**
 * The rules of the guest's memory map ({@code physmap.c}): what may take whose place, and no frame
 * at two places. Called with the p2m locked and arguments checked.
 */
final class Physmap {
  private final DomainP2m p2m;
  private final MachineToPhysical m2p;

  Physmap(DomainP2m p2m, MachineToPhysical m2p) {
    this.p2m = p2m;
    this.m2p = m2p;
  }

  Errno add(@Gfn long gfn, @Mfn long mfn, long count, P2mType type) {
    if (hasSpecial(gfn, count)) {
      return Errno.EPERM;
    }
    Errno unaliased = removeAliases(gfn, mfn, count);
    return unaliased == Errno.OK
        ? p2m.mapSteps(gfn, P2mEntry.of(mfn, type, P2mAccess.RWX, 0), count)
        : unaliased;
  }

  private boolean hasSpecial(@Gfn long gfn, long count) {
    for (long i = 0; i < count; i++) {
      if (P2mEntry.type(p2m.get(Addresses.advance(gfn, i))).is(Group.SPECIAL)) {
        return true;
      }
    }
    return false;
  }

  /** A frame of the domain is one guest frame: where it is now, it will not be any more. */
  private Errno removeAliases(@Gfn long gfn, @Mfn long mfn, long count) {
    for (long i = 0; i < count; i++) {
      @Mfn long frame = Addresses.advance(mfn, i);
      @Gfn long now = m2p.gfn(frame);
      if (now == MachineToPhysical.NOT_MAPPED || now == Addresses.advance(gfn, i)) {
        continue;
      }
      Errno removed = p2m.mapSteps(now, p2m.nothing(), 1);
      if (removed != Errno.OK) {
        return removed;
      }
    }
    return Errno.OK;
  }

  Errno remove(@Gfn long gfn, @Mfn long mfn, long count) {
    for (long i = 0; i < count; i++) {
      long entry = p2m.get(Addresses.advance(gfn, i));
      P2mType type = P2mEntry.type(entry);
      if (type == P2mType.MMIO_DIRECT) {
        return Errno.EPERM;
      }
      if (!type.isAnyRam() || P2mEntry.mfnOrNone(entry) != Addresses.advance(mfn, i)) {
        return Errno.EILSEQ;
      }
    }
    return p2m.mapSteps(gfn, p2m.nothing(), count);
  }

  /** {@code set_typed_p2m_entry}. */
  Errno setSpecial(@Gfn long gfn, long what, long count) {
    for (long i = 0; i < count; i++) {
      long now = p2m.get(Addresses.advance(gfn, i));
      boolean other =
          P2mEntry.type(now) != P2mEntry.type(what)
              || P2mEntry.mfnOrNone(now) != P2mEntry.mfnOrNone(P2mEntry.advance(what, i));
      if (P2mEntry.type(now).is(Group.SPECIAL) && other) {
        return Errno.EPERM;
      }
    }
    return p2m.mapSteps(gfn, what, count);
  }

  /** {@code clear_mmio_p2m_entry}, and the same for grants and foreign frames. */
  Errno clearSpecial(@Gfn long gfn, @Mfn long mfn, long count) {
    for (long i = 0; i < count; i++) {
      long now = p2m.get(Addresses.advance(gfn, i));
      if (!P2mEntry.type(now).is(Group.SPECIAL)
          || P2mEntry.mfnOrNone(now) != Addresses.advance(mfn, i)) {
        return Errno.EILSEQ;
      }
    }
    return p2m.mapSteps(gfn, p2m.nothing(), count);
  }
}
