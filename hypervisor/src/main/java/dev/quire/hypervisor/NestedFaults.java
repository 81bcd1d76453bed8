// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.P2mAccess;
import dev.quire.api.domain.P2mEntry;
import dev.quire.api.domain.P2mType;
import dev.quire.api.domain.P2mType.Group;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.NestedFault;

/**
 * What a nested fault means for the domain, whichever format the tables have: Xen's {@code
 * hvm_hap_nested_page_fault}, in its order. The entry is locked while it is looked at; an operation
 * is emulated after that.
 */
final class NestedFaults {
  private NestedFaults() {}

  static Resolution resolve(GuestVcpu vcpu) {
    ControlBlock control = vcpu.control();
    @Gpa long gpa = control.exitGuestPhysical();
    @Gfn long gfn = Addresses.gpaToGfn(gpa);
    long fault = control.exitQualification();
    GuestDomain domain = vcpu.domain();
    P2m p2m = domain.p2m();
    long entry = p2m.getGfn(gfn, NestedFault.isWrite(fault) ? P2m.UNSHARE : P2m.ALLOC);
    Resolution resolution;
    try {
      resolution = decide(domain, p2m, gfn, entry, fault);
    } finally {
      p2m.putGfn(gfn);
    }
    if (resolution == Resolution.EMULATED) {
      resolution = vcpu.emulate();
    }
    if (resolution == Resolution.CRASH) {
      domain.crash(
          String.format(
              "%s: nested fault (%s) at guest-physical 0x%x, which is %s",
              vcpu, NestedFault.describe(fault), gpa, P2mEntry.describe(entry)));
    }
    return resolution;
  }

  /** EMULATED here means: shall be emulated. */
  private static Resolution decide(
      GuestDomain domain, P2m p2m, @Gfn long gfn, long entry, long fault) {
    P2mType type = P2mEntry.type(entry);
    boolean write = NestedFault.isWrite(fault);
    if (P2mEntry.hasFrame(entry)) {
      P2mAccess access = P2mEntry.access(entry);
      if (isViolated(access, fault)) {
        return withoutListener(p2m, gfn, entry, write);
      }
      if (NestedFault.isFetch(fault)
          && NestedFault.isPresent(fault)
          && P2mEntry.order(entry) > 0
          && type.isExecutable()) {
        return retry(p2m.shatter(gfn)); // superpages that may not be fetched from: XSA-304
      }
    }
    if (type == P2mType.MMIO_DM || write && isForEmulation(type)) {
      return Resolution.EMULATED;
    }
    boolean there = type.is(Group.RAM) && !type.is(Group.PAGING) && P2mEntry.hasFrame(entry);
    if (!there || write && type.is(Group.SHARED)) {
      return Resolution.CRASH;
    }
    if (write && type == P2mType.RAM_LOGDIRTY) {
      domain.logDirty().faulted(gfn);
      Errno done = p2m.changeType(gfn, P2mType.RAM_LOGDIRTY, P2mType.RAM_RW);
      // without memory to split a superpage, hardware may go on not writing it
      return done.isOk() ? Resolution.FIXED : Resolution.EMULATED;
    }
    if (write) {
      domain.dirtied(gfn);
    }
    return Resolution.FIXED;
  }

  /** Of device frames only those that are read-only come here. */
  private static boolean isForEmulation(P2mType type) {
    return type.is(Group.DISCARD_WRITE)
        || type == P2mType.MMIO_DIRECT
        || type == P2mType.IOREQ_SERVER;
  }

  private static Resolution retry(Errno done) {
    return done.isOk() ? Resolution.FIXED : Resolution.CRASH;
  }

  /** The accesses that a monitor wants to hear of, by the access type of the frame. */
  private static boolean isViolated(P2mAccess access, long fault) {
    boolean read = NestedFault.isRead(fault);
    boolean write = NestedFault.isWrite(fault);
    boolean fetch = NestedFault.isFetch(fault);
    return switch (access) {
      case N, N2RWX -> read || write || fetch;
      case R, R_PW -> write || fetch;
      case W -> read || fetch;
      case X -> read || write;
      case RX, RX2RW -> write;
      case WX -> read;
      case RW -> fetch;
      case RWX -> false;
    };
  }

  /** Nobody listens: what was asked for happens by itself, or the frame is opened. */
  private static Resolution withoutListener(P2m p2m, @Gfn long gfn, long entry, boolean write) {
    P2mAccess opened =
        write && P2mEntry.access(entry) == P2mAccess.RX2RW ? P2mAccess.RW : P2mAccess.RWX;
    return retry(p2m.set(gfn, P2mEntry.mfn(entry), 0, P2mEntry.type(entry), opened));
  }
}
