// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Gva;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import org.jspecify.annotations.Nullable;

/** A mode in whose place stands another. */
class ForwardingMode implements PagingMode {
  private final PagingMode inner;

  ForwardingMode(PagingMode inner) {
    this.inner = inner;
  }

  @Override
  public int guestLevels() {
    return inner.guestLevels();
  }

  @Override
  public int hardwareLevels() {
    return inner.hardwareLevels();
  }

  @Override
  public Resolution pageFault(Vcpu vcpu) {
    return inner.pageFault(vcpu);
  }

  @Override
  public Resolution nestedFault(Vcpu vcpu) {
    return inner.nestedFault(vcpu);
  }

  @Override
  public void logFull(Vcpu vcpu) {
    inner.logFull(vcpu);
  }

  @Override
  public void pagetableDying(Vcpu vcpu, @Gpa long root) {
    inner.pagetableDying(vcpu, root);
  }

  @Override
  public boolean invalidate(Vcpu vcpu, @Gva long linear) {
    return inner.invalidate(vcpu, linear);
  }

  @Override
  public long translate(Vcpu vcpu, @Gva long linear, long access, @Nullable WalkTrace trace) {
    return inner.translate(vcpu, linear, access, trace);
  }

  @Override
  public void updateCr3(Vcpu vcpu, boolean keepCached) {
    inner.updateCr3(vcpu, keepCached);
  }

  @Override
  public void writeGuestEntry(Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long value) {
    inner.writeGuestEntry(vcpu, gfn, offset, bytes, value);
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu vcpu, @Gfn long gfn, int offset, int bytes, long expected, long replacement) {
    return inner.compareExchangeGuestEntry(vcpu, gfn, offset, bytes, expected, replacement);
  }
}
