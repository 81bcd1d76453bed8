// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.domain.Vcpu;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.paging.PagingMode;
import dev.quire.api.paging.Resolution;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;

/** A backend that notes what it is asked and answers what the test says. */
final class FakeBackend implements PagingBackend, PagingDomain, PagingMode {
  final List<String> calls = new ArrayList<>();
  final Set<Feature> features = EnumSet.noneOf(Feature.class);
  boolean unavailable;
  boolean refusesModes;
  boolean mustInvalidate = true;
  PagingMode mode = this;
  Consumer<Vcpu> prepares = vcpu -> {};
  Function<Vcpu, Resolution> pageFaults = vcpu -> Resolution.FIXED;
  Function<Vcpu, Resolution> nestedFaults = vcpu -> vcpu.domain().nestedFault(vcpu);
  P2mFormat format;
  String name = "fake";
  Runnable onDetach = () -> {};
  final Map<String, Long> statistics = new HashMap<>();

  @Override
  public String name() {
    return name;
  }

  @Override
  public String description() {
    return "for tests";
  }

  @Override
  public Set<Feature> features() {
    return features;
  }

  @Override
  public P2mFormat p2mFormat() {
    return format;
  }

  @Override
  public PagingDomain attach(Domain domain) {
    if (unavailable) {
      throw new BackendUnavailableException("the test says no");
    }
    calls.add("attach");
    return this;
  }

  @Override
  public PagingMode updatePagingModes(Vcpu vcpu) {
    if (refusesModes) {
      throw new BackendUnavailableException("no mode for this vCPU");
    }
    calls.add("updatePagingModes");
    prepares.accept(vcpu);
    return mode;
  }

  @Override
  public void guestMemoryChanged(long first, long count) {
    calls.add("guestMemoryChanged " + first + " " + count);
  }

  @Override
  public void detach() {
    calls.add("detach");
    onDetach.run();
  }

  @Override
  public List<String> audit() {
    return List.of();
  }

  @Override
  public Map<String, Long> statistics() {
    return statistics;
  }

  @Override
  public int guestLevels() {
    return 1;
  }

  @Override
  public int hardwareLevels() {
    return 4;
  }

  @Override
  public Resolution pageFault(Vcpu vcpu) {
    calls.add("pageFault");
    return pageFaults.apply(vcpu);
  }

  @Override
  public Resolution nestedFault(Vcpu vcpu) {
    calls.add("nestedFault");
    return nestedFaults.apply(vcpu);
  }

  @Override
  public boolean invalidate(Vcpu vcpu, long linear) {
    calls.add("invalidate " + Long.toHexString(linear));
    return mustInvalidate;
  }

  @Override
  public long translate(Vcpu vcpu, long linear, long access, WalkTrace trace) {
    return vcpu.translate(linear, access, trace);
  }

  @Override
  public void updateCr3(Vcpu vcpu, boolean keepCached) {
    calls.add("updateCr3 " + keepCached);
  }

  @Override
  public void writeGuestEntry(Vcpu vcpu, long gfn, int offset, int bytes, long value) {
    throw new UnsupportedOperationException();
  }

  @Override
  public long compareExchangeGuestEntry(
      Vcpu vcpu, long gfn, int offset, int bytes, long expected, long replacement) {
    throw new UnsupportedOperationException();
  }
}
