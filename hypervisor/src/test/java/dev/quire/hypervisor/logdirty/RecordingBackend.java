// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.logdirty;

import dev.quire.api.domain.Errno;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Says what it was asked, in order, and drains what a test has put into its hardware's log. */
final class RecordingBackend implements PagingDomain {
  final List<String> calls = new ArrayList<>();
  final List<Long> pending = new ArrayList<>();
  Errno answer = Errno.OK;
  DirtyLog log;

  @Override
  public Errno enableLogDirty() {
    calls.add("enable");
    return answer;
  }

  @Override
  public Errno disableLogDirty() {
    calls.add("disable");
    return answer;
  }

  @Override
  public Errno cleanLogDirty() {
    calls.add("clean");
    return answer;
  }

  @Override
  public void drainLogDirty() {
    calls.add("drain");
    pending.forEach(log == null ? gfn -> {} : log::mark);
    pending.clear();
  }

  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void guestMemoryChanged(long first, long count) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void detach() {
    throw new UnsupportedOperationException();
  }

  @Override
  public List<String> audit() {
    return List.of();
  }

  @Override
  public Map<String, Long> statistics() {
    return Map.of();
  }
}
