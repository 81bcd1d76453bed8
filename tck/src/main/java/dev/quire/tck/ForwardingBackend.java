// SPDX-License-Identifier: Apache-2.0
package dev.quire.tck;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.CpuProfile;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A backend in whose place stands another, to be watched or to have one thing changed. */
class ForwardingBackend implements PagingBackend {
  private PagingBackend inner;

  ForwardingBackend(PagingBackend inner) {
    this.inner = inner;
  }

  /** What stands before the backend's hold on a domain. */
  PagingDomain around(Domain domain, PagingDomain hold) {
    return hold;
  }

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public String description() {
    return inner.description();
  }

  @Override
  public Set<Feature> features() {
    return inner.features();
  }

  @Override
  public @Nullable P2mFormat p2mFormat() {
    return inner.p2mFormat();
  }

  @Override
  public Set<CpuProfile.Feature> cpuFeatures() {
    return inner.cpuFeatures();
  }

  @Override
  public PagingBackend with(Map<String, String> options) {
    inner = inner.with(options);
    return this;
  }

  @Override
  public PagingDomain attach(Domain domain) {
    return around(domain, inner.attach(domain));
  }
}
