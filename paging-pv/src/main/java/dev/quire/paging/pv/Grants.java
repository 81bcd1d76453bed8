// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.FrameTable;
import dev.quire.api.domain.FrameType;
import dev.quire.api.domain.FrameWords;
import dev.quire.api.domain.PagingWork;

/**
 * Maps and unmaps grants of other domains for one vCPU: one general reference for each mapping, of
 * the host or of devices, and one to a writable frame unless it is read-only.
 *
 * <p>What is unmapped keeps its references until the CPUs have forgotten it: first {@link #unmap}
 * for some, then {@link #complete}.
 */
final class Grants {
  /** So many are unmapped with one flush. */
  static final int BATCH = 32;

  private static final int KINDS = GrantFlags.HOST | GrantFlags.DEVICE;
  private static final long WRITABLE = FrameWords.of(FrameType.WRITABLE);

  private final PvVcpu vcpu;
  private final Maptrack maptrack;
  private final GrantMappings mappings;
  private int handle;
  private @Mfn long frame;

  private final GrantTable[] granters = new GrantTable[BATCH];
  private final int[] refs = new int[BATCH];
  private final @Mfn long[] frames = new long[BATCH];
  private final int[] kinds = new int[BATCH];
  private int pending;

  Grants(PvVcpu vcpu, GrantRules rules) {
    this.vcpu = vcpu;
    maptrack = vcpu.domain().maptrack();
    mappings = new GrantMappings(vcpu, rules);
  }

  /** The handle of what was mapped last. */
  int handle() {
    return handle;
  }

  /** Its frame. */
  @Mfn
  long frame() {
    return frame;
  }

  private GrantStatus refuse(PvRule rule, GrantStatus status) {
    vcpu.work().because(rule);
    return status;
  }

  // ---- map ----

  /**
   * Maps a grant ({@code map_grant_ref}).
   *
   * @param address where, as the flags say
   * @param owner the domain that grants it
   */
  GrantStatus map(long address, int flags, int ref, int owner) {
    if ((flags & KINDS) == 0) {
      return refuse(PvRule.GRANT_KIND, GrantStatus.BAD_GNTREF);
    }
    if (!vcpu.domain().host().exists(owner)) {
      return refuse(PvRule.NO_SUCH_DOMAIN, GrantStatus.BAD_DOMAIN);
    }
    PvDomain of = vcpu.domain().peer(owner);
    if (of == null) {
      return refuse(PvRule.NOT_PV, GrantStatus.BAD_GNTREF); // such domains grant nothing here
    }
    handle = maptrack.take();
    if (handle < 0) {
      return refuse(PvRule.GRANT_HANDLES, GrantStatus.NO_DEVICE_SPACE);
    }
    GrantStatus status = map(of.grants(), address, flags, ref);
    if (status.isOkay()) {
      maptrack.set(handle, of.grants(), ref, flags);
    } else {
      maptrack.drop(handle);
    }
    return status;
  }

  private GrantStatus map(GrantTable granter, long address, int flags, int ref) {
    GrantStatus status = granter.pin(ref, vcpu.domain().id(), flags, vcpu.work());
    if (!status.isOkay()) {
      return status;
    }
    frame = granter.frame(ref);
    int wanted = Integer.bitCount(flags & KINDS);
    int taken = 0;
    while (taken < wanted && take(granter.owner(), flags)) {
      taken++;
    }
    if (taken < wanted) {
      status = GrantStatus.GENERAL_ERROR;
    } else if ((flags & GrantFlags.HOST) != 0) {
      status = mappings.create(address, frame, flags);
    }
    if (!status.isOkay()) {
      for (; taken > 0; taken--) {
        give(vcpu.frames(), frame, flags, vcpu.work());
      }
      granter.unpin(ref, flags);
    }
    return status;
  }

  private boolean take(int owner, int flags) {
    FrameTable all = vcpu.frames();
    if (frame >= all.end() || !all.get(frame, owner)) {
      vcpu.work().because(PvRule.NOT_THE_DOMAINS_FRAME);
      return false;
    }
    if (GrantFlags.isReadOnly(flags) || all.getType(frame, WRITABLE, vcpu.work()).isOk()) {
      return true;
    }
    all.put(frame);
    vcpu.work().because(PvRule.TYPE_IN_USE);
    return false;
  }

  /** Gives back what one mapping of a frame holds. */
  static void give(FrameTable all, @Mfn long mfn, int flags, PagingWork work) {
    if (!GrantFlags.isReadOnly(flags)) {
      all.putType(mfn, Addresses.mfn(FrameTable.NO_PARENT), false, work);
    }
    all.put(mfn);
  }

  // ---- unmap ----

  /**
   * Unmaps a grant ({@code unmap_common}).
   *
   * @param address of the host's mapping; 0 to leave that
   * @param device its frame's machine address, to end the devices' mapping; 0 to leave that
   * @param other a linear address whose entry takes the place of the host's mapping; 0 for none
   */
  GrantStatus unmap(long address, long device, long other, int which) {
    GrantTable granter = maptrack.granter(which);
    if (granter == null) {
      return refuse(PvRule.GRANT_HANDLE, GrantStatus.BAD_HANDLE);
    }
    synchronized (granter) { // another vCPU may unmap the same
      int flags = maptrack.flags(which);
      if (flags == 0 || maptrack.granter(which) != granter) {
        return refuse(PvRule.GRANT_HANDLE, GrantStatus.BAD_HANDLE);
      }
      int ref = maptrack.ref(which);
      @Mfn long mfn = granter.frame(ref);
      if (device != 0 && device != Addresses.mfnToMaddr(mfn)) {
        return refuse(PvRule.GRANT_ADDRESS, GrantStatus.BAD_DEV_ADDR);
      }
      int ending = (address != 0 ? GrantFlags.HOST : 0) | (device != 0 ? GrantFlags.DEVICE : 0);
      ending &= flags;
      if ((ending & GrantFlags.HOST) != 0) {
        GrantStatus replaced = mappings.replace(address, mfn, other, flags);
        if (!replaced.isOkay()) {
          return replaced;
        }
      }
      if (ending != 0) {
        maptrack.ended(which, ending);
        pend(granter, ref, mfn, ending | flags & GrantFlags.READ_ONLY);
      }
      return GrantStatus.OKAY;
    }
  }

  private void pend(GrantTable granter, int ref, @Mfn long mfn, int ending) {
    granters[pending] = granter;
    refs[pending] = ref;
    frames[pending] = mfn;
    kinds[pending] = ending;
    pending++;
  }

  /** Makes the CPUs forget what was unmapped, and gives back what it held. */
  void complete() {
    vcpu.domain().host().flushAll();
    for (int at = 0; at < pending; at++) {
      for (int kind = Integer.bitCount(kinds[at] & KINDS); kind > 0; kind--) {
        give(vcpu.frames(), frames[at], kinds[at], vcpu.work());
      }
      granters[at].written(frames[at], kinds[at]);
      granters[at].unpin(refs[at], kinds[at]);
    }
    pending = 0;
  }

  /**
   * A domain ends: nothing is mapped by it any more ({@code gnttab_release_mappings}). What the
   * host's mappings hold goes with the tables that they are in.
   */
  static void release(PvDomain domain, PagingWork work) {
    FrameTable all = domain.host().frames();
    domain
        .maptrack()
        .forEach(
            (handle, granter, ref, flags) -> {
              if ((flags & GrantFlags.DEVICE) != 0) {
                give(all, granter.frame(ref), flags, work);
              }
              granter.written(granter.frame(ref), flags);
              granter.unpin(ref, flags);
              domain.maptrack().ended(handle, KINDS);
            });
  }
}
