// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Gpa;
import dev.quire.api.address.Maddr;
import dev.quire.api.address.Mfn;
import dev.quire.api.domain.Errno;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.util.List;
import java.util.Map;

/** A hold on a domain in whose place stands another. */
class ForwardingDomain implements PagingDomain {
  private final PagingDomain inner;

  ForwardingDomain(PagingDomain inner) {
    this.inner = inner;
  }

  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    return inner.updatePagingModes(vcpu);
  }

  @Override
  public void guestMemoryChanged(@Gfn long first, long count) {
    inner.guestMemoryChanged(first, count);
  }

  @Override
  public boolean lagsBehind(@Gfn long table) {
    return inner.lagsBehind(table);
  }

  @Override
  public void machineMemoryWritten(@Maddr long address, int bytes) {
    inner.machineMemoryWritten(address, bytes);
  }

  @Override
  public void tableEnding(@Mfn long mfn) {
    inner.tableEnding(mfn);
  }

  @Override
  public Errno trackRange(@Gfn long first, long count, long[] bitmap) {
    return inner.trackRange(first, count, bitmap);
  }

  @Override
  public void guestMemoryWritten(@Gpa long gpa, int bytes) {
    inner.guestMemoryWritten(gpa, bytes);
  }

  @Override
  public void p2mChanging(@Gfn long gfn, int order, long before, long after) {
    inner.p2mChanging(gfn, order, before, after);
  }

  @Override
  public void p2mChanged(@Gfn long gfn, int order, long before, long after) {
    inner.p2mChanged(gfn, order, before, after);
  }

  @Override
  public void p2mTypesChanged(@Gfn long first, long count) {
    inner.p2mTypesChanged(first, count);
  }

  @Override
  public Errno enableLogDirty() {
    return inner.enableLogDirty();
  }

  @Override
  public Errno disableLogDirty() {
    return inner.disableLogDirty();
  }

  @Override
  public void drainLogDirty() {
    inner.drainLogDirty();
  }

  @Override
  public Errno cleanLogDirty() {
    return inner.cleanLogDirty();
  }

  @Override
  public void detach() {
    inner.detach();
  }

  @Override
  public List<String> audit() {
    return inner.audit();
  }

  @Override
  public Map<String, Long> statistics() {
    return inner.statistics();
  }
}
