// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.FrameMapper;

/**
 * The rules of the guest's memory map ({@code physmap.c}): what may take whose place, and no frame
 * at two places. Called with the p2m locked and arguments checked.
 */
final class Physmap {
  private final P2mCore core;
  private final MachineToPhysical m2p;

  Physmap(P2mCore core) {
    this.core = core;
    this.m2p = core.host.m2p();
  }

  /** {@code physmap_add_entry}. */
  Errno add(@Gfn long gfn, long what, long count) {
    if (hasSpecial(gfn, count)) {
      return Errno.EPERM;
    }
    for (long i = 0; i < count; i++) {
      if (m2p.gfn(Addresses.advance(P2mEntry.mfn(what), i)) == MachineToPhysical.SHARED) {
        return Errno.EINVAL; // no way to add a shared frame
      }
    }
    Errno unaliased = removeAliases(gfn, P2mEntry.mfn(what), count);
    return unaliased == Errno.OK ? core.mapSteps(gfn, what, count) : unaliased;
  }

  private boolean hasSpecial(@Gfn long gfn, long count) {
    for (long i = 0; i < count; i++) {
      if (P2mEntry.type(core.tables.get(Addresses.advance(gfn, i))).is(Group.SPECIAL)) {
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
      Errno removed = core.mapSteps(now, core.nothing(), 1);
      if (removed != Errno.OK) {
        return removed;
      }
    }
    return Errno.OK;
  }

  Errno remove(@Gfn long gfn, @Mfn long mfn, long count) {
    for (long i = 0; i < count; i++) {
      long entry = core.tables.get(Addresses.advance(gfn, i));
      P2mType type = P2mEntry.type(entry);
      if (type == P2mType.MMIO_DIRECT) {
        return Errno.EPERM;
      }
      if (!type.isAnyRam() || P2mEntry.mfnOrNone(entry) != Addresses.advance(mfn, i)) {
        return Errno.EILSEQ;
      }
    }
    return core.mapSteps(gfn, core.nothing(), count);
  }

  /** {@code set_typed_p2m_entry}. */
  Errno setSpecial(@Gfn long gfn, long what, long count) {
    for (long i = 0; i < count; i++) {
      long now = core.tables.get(Addresses.advance(gfn, i));
      boolean other =
          P2mEntry.type(now) != P2mEntry.type(what)
              || P2mEntry.mfnOrNone(now) != P2mEntry.mfnOrNone(P2mEntry.advance(what, i));
      if (P2mEntry.type(now).is(Group.SPECIAL) && other) {
        return Errno.EPERM;
      }
    }
    return core.mapSteps(gfn, what, count);
  }

  /** {@code clear_mmio_p2m_entry}, and the same for grants and foreign frames. */
  Errno clearSpecial(@Gfn long gfn, @Mfn long mfn, long count) {
    for (long i = 0; i < count; i++) {
      long now = core.tables.get(Addresses.advance(gfn, i));
      if (!P2mEntry.type(now).is(Group.SPECIAL)
          || P2mEntry.mfnOrNone(now) != Addresses.advance(mfn, i)) {
        return Errno.EILSEQ;
      }
    }
    return core.mapSteps(gfn, core.nothing(), count);
  }

  /** What {@code sve} of -1 means: an entry keeps whether it suppresses #VE. */
  long keepingVe(@Gfn long gfn, long what) {
    return P2mEntry.suppressVe(what, P2mEntry.suppressesVe(core.get(gfn)));
  }

  Errno suppressVe(@Gfn long gfn, boolean suppress) {
    long now = core.tables.get(gfn);
    return P2mEntry.hasFrame(now)
        ? core.mapSteps(gfn, P2mEntry.suppressVe(now, suppress), 1)
        : Errno.ESRCH;
  }

  /** {@code get_page_from_gfn}: memory of the domain, or a foreign frame. */
  @Mfn
  long getPage(@Gfn long gfn) {
    long entry = core.tables.get(gfn);
    P2mType type = P2mEntry.type(entry);
    boolean own = type.is(Group.RAM) && !type.is(Group.PAGING);
    @Mfn long mfn = P2mEntry.mfnOrNone(entry);
    if (mfn == FrameMapper.NONE || !own && type != P2mType.MAP_FOREIGN) {
      return Addresses.mfn(FrameMapper.NONE);
    }
    boolean right = own == (m2p.owner(mfn) == core.host.domain());
    return right && m2p.takeReference(mfn) ? mfn : Addresses.mfn(FrameMapper.NONE);
  }
}
