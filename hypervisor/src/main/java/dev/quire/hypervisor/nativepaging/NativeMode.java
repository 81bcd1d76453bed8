// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.nativepaging;

import dev.quire.api.address.Addresses;
import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gva;
import dev.quire.api.address.Maddr;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Cr0;
import dev.quire.api.x86.PagingRules;
import org.jspecify.annotations.Nullable;

/** Every mode of a guest on the bare machine: the guest changes it without being seen. */
final class NativeMode implements PagingMode {
  private final Vcpu vcpu;

  NativeMode(Vcpu vcpu) {
    this.vcpu = vcpu;
  }

  @Override
  public int guestLevels() {
    Registers guest = vcpu.registers();
    return (guest.cr0 & Cr0.PG) == 0 ? 1 : PagingRules.format(guest.cr4, guest.efer).levels();
  }

  @Override
  public int hardwareLevels() {
    return guestLevels();
  }

  @Override
  public Resolution pageFault(Vcpu ofVcpu) {
    throw new IllegalStateException("a page fault was intercepted that nobody asked for");
  }

  @Override
  public boolean invalidate(Vcpu ofVcpu, @Gva long linear) {
    return true;
  }

  @Override
  public long translate(Vcpu ofVcpu, @Gva long linear, long access, @Nullable WalkTrace trace) {
    return ofVcpu.translate(linear, access, trace);
  }

  @Override
  public void updateCr3(Vcpu ofVcpu, boolean keepCached) {
    ofVcpu.control().registers().set(ofVcpu.registers());
  }

  @Override
  public void writeGuestEntry(Vcpu ofVcpu, @Gfn long gfn, int offset, int bytes, long value) {
    ofVcpu.domain().machine().memory().store(entry(gfn, offset), bytes, value);
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu ofVcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement) {
    return ofVcpu
        .domain()
        .machine()
        .memory()
        .compareExchange(entry(gfn, offset), bytes, expected, replacement);
  }

  private static @Maddr long entry(@Gfn long gfn, int offset) {
    return Addresses.mfnToMaddr(Addresses.identityGfnToMfn(gfn), offset);
  }
}
