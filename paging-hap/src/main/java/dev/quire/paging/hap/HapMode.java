// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.P2m;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.Cr4;
import dev.quire.api.x86.NestedFault;
import dev.quire.api.x86.PagingRules;
import org.jspecify.annotations.Nullable;

/**
 * One vCPU. Xen has a mode for each depth of the guest's tables (real, protected, PAE, long); what
 * differs between them is the number of levels, which is chosen anew whenever the guest changes
 * what decides it.
 */
final class HapMode implements PagingMode {
  /** What decides the mode, and nothing else, exits: CR0.PG, CR4.PAE, CR4.LA57. */
  private static final long CR4_INTERCEPTS = Cr4.PAE | Cr4.LA57;

  /** Counts of one vCPU, plain since one thread runs it. */
  static final class Counts {
    long faults;
    long misconfigurations;
    long recalculations;
    long spurious;
    long fullLogs;
  }

  private final HapDomain paging;
  private final P2m p2m;
  private final Counts counts = new Counts();
  private int guestLevels = 1;

  /** {@link P2m#repairs} when the vCPU last came out because of something lazy. */
  private long seenRepairs;

  HapMode(HapDomain paging, P2m p2m) {
    this.paging = paging;
    this.p2m = p2m;
    this.seenRepairs = p2m.repairs();
  }

  Counts counts() {
    return counts;
  }

  /** Chooses the mode by the guest's registers and prepares the hardware for it. */
  void choose(Vcpu vcpu) {
    Registers guest = vcpu.registers();
    boolean paged = (guest.cr0 & Cr0.PG) != 0;
    guestLevels = paged ? PagingRules.format(guest.cr4, guest.efer).levels() : 1;
    ControlBlock control = vcpu.control();
    control.registers().set(guest);
    control.interceptRegisters(Cr0.PG, false, CR4_INTERCEPTS, false, false);
    control.interceptInvalidation(false);
    control.passPageFaults();
  }

  /** Whether the control block is as {@link #choose} leaves it. */
  boolean isChosen(Vcpu vcpu) {
    ControlBlock control = vcpu.control();
    return control.cr0Intercepts() == Cr0.PG
        && control.cr4Intercepts() == CR4_INTERCEPTS
        && !control.cr3Intercepted()
        && !control.invalidationIntercepted()
        && !control.interceptsPageFault(0);
  }

  @Override
  public int guestLevels() {
    return guestLevels;
  }

  @Override
  public int hardwareLevels() {
    return guestLevels;
  }

  /** The guest's page faults are the guest's: one that comes here is a mistake (hap_page_fault). */
  @Override
  public Resolution pageFault(Vcpu vcpu) {
    return Resolution.CRASH;
  }

  @Override
  public Resolution nestedFault(Vcpu vcpu) {
    @Gfn long gfn = Addresses.gpaToGfn(vcpu.control().exitGuestPhysical());
    long fault = vcpu.control().exitQualification();
    if (fault == 0) {
      counts.misconfigurations++;
      return repair(gfn);
    }
    counts.faults++;
    if (NestedFault.isNpt(fault) && NestedFault.isPresent(fault)) {
      Errno done = p2m.recalculate(gfn);
      if (done == Errno.OK) {
        counts.recalculations++;
        return Resolution.FIXED;
      }
      if (done != Errno.ENOENT) {
        return Resolution.CRASH;
      }
    }
    return vcpu.domain().nestedFault(vcpu);
  }

  /**
   * An EPT misconfiguration: something lazy, worked off now, or by another vCPU since this one came
   * out last; that is believed once for each repair ({@code ept_handle_misconfig}).
   */
  private Resolution repair(@Gfn long gfn) {
    long before = seenRepairs;
    Errno done = p2m.recalculate(gfn);
    seenRepairs = p2m.repairs();
    if (done == Errno.OK) {
      counts.recalculations++;
      return Resolution.FIXED;
    }
    if (done == Errno.ENOENT && seenRepairs != before) {
      counts.spurious++;
      return Resolution.FIXED;
    }
    return Resolution.CRASH;
  }

  @Override
  public void logFull(Vcpu vcpu) {
    counts.fullLogs++;
    paging.drain(vcpu);
  }

  /** The hardware must always invalidate: nothing else holds translations of linear addresses. */
  @Override
  public boolean invalidate(Vcpu vcpu, @Gva long linear) {
    return true;
  }

  @Override
  public long translate(Vcpu vcpu, @Gva long linear, long access, @Nullable WalkTrace trace) {
    return vcpu.translate(linear, access, trace);
  }

  @Override
  public void updateCr3(Vcpu vcpu, boolean keepCached) {
    Registers hardware = vcpu.control().registers();
    hardware.cr3 = vcpu.registers().cr3;
    System.arraycopy(vcpu.registers().pdptes, 0, hardware.pdptes, 0, Registers.PDPTES);
  }

  @Override
  public void writeGuestEntry(Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long value) {
    vcpu.domain().deviceStore(Addresses.gfnToGpa(gfn, offset), bytes, value);
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement) {
    Domain domain = vcpu.domain();
    @Mfn long mfn = domain.gfnToMfn(gfn);
    long before =
        domain
            .machine()
            .memory()
            .compareExchange(Addresses.mfnToMaddr(mfn, offset), bytes, expected, replacement);
    domain.logDirty().mark(gfn);
    return before;
  }
}
