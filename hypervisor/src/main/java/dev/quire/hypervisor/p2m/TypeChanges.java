// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.paging.PagingDomain;

/** Changes of types: of one frame at once, of ranges and of all by marks. The p2m is locked. */
final class TypeChanges {
  private final P2mCore core;

  TypeChanges(P2mCore core) {
    this.core = core;
  }

  Errno one(@Gfn long gfn, P2mType from, P2mType to) {
    long now = core.tables.get(gfn);
    if (P2mEntry.type(now) != from) {
      return Errno.EBUSY;
    }
    long then = P2mEntry.withType(now, to.ordinal());
    return core.tables.codec().canHold(then) ? core.mapSteps(gfn, then, 1) : Errno.EOPNOTSUPP;
  }

  Errno range(@Gfn long first, long asked, P2mType to) {
    long count = Math.min(asked, (1L << core.tables.width()) - first);
    long clipped = Math.min(count, core.end() - first);
    RangeSet logged = core.rules.logDirtyRanges();
    if (to == P2mType.RAM_LOGDIRTY) {
      logged.add(first, count);
    } else {
      logged.remove(first, count);
    }
    if (clipped <= 0) {
      return Errno.OK;
    }
    Errno marked = core.recalculation.markRange(first, clipped, true);
    tell(first, clipped);
    return marked;
  }

  Errno all(P2mType to) {
    core.rules.globalLogDirty(to == P2mType.RAM_LOGDIRTY);
    core.recalculation.markAll(true);
    tell(Addresses.gfn(0), core.end());
    return Errno.OK;
  }

  /** Whether a frame can change from one type to the other and stay the same frame. */
  static boolean isPlain(P2mType from, P2mType to) {
    return from.is(Group.RAM) == to.is(Group.RAM)
        && from.is(Group.SPECIAL) == to.is(Group.SPECIAL)
        && from.is(Group.HOLE) == to.is(Group.HOLE);
  }

  /** Whether such a change can be a lazy one. */
  static boolean isLazy(P2mType from, P2mType to) {
    return from != to
        && TypeRules.isChangeable(from.ordinal())
        && TypeRules.isChangeable(to.ordinal())
        && to != P2mType.IOREQ_SERVER;
  }

  /** {@code p2m_set_ioreq_server}: there is one, or none any more. */
  Errno ioreqServer(boolean there) {
    boolean left = core.counts.of(P2mType.IOREQ_SERVER.ordinal()) > 0; // of the one before
    if (core.rules.hasIoreqServer() == there || there && left) {
      return there ? Errno.EBUSY : Errno.EINVAL;
    }
    core.rules.ioreqServer(there);
    core.recalculation.markAll(true); // rights of its entries, or their type when it goes
    tell(Addresses.gfn(0), core.end());
    return Errno.OK;
  }

  /** Rights of logged frames depend on who logs. */
  void hardwareLogs(boolean on) {
    if (core.rules.logsInHardware() != on) {
      core.rules.logsInHardware(on);
      core.recalculation.markAll(false);
      core.flushes.request();
    }
  }

  private void tell(@Gfn long first, long count) {
    core.flushes.request();
    PagingDomain paging = core.host.backend().get();
    if (paging != null) {
      paging.p2mTypesChanged(first, count);
    }
  }
}
