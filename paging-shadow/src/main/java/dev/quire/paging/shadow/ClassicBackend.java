// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.CpuProfile;
import java.util.Map;
import java.util.Set;

/**
 * Shadow paging as Xen 3.0 had it: the first write to a guest's table, of whatever level, lets the
 * guest write it until it invalidates; then all such tables are brought into sync together, by
 * comparison with what they were.
 */
@ServiceProvider(PagingBackend.class)
public final class ClassicBackend implements PagingBackend {
  private final ShadowOptions options;

  /** For the service loader. */
  public ClassicBackend() {
    this(ShadowOptions.CLASSIC);
  }

  private ClassicBackend(ShadowOptions options) {
    this.options = options;
  }

  @Override
  public PagingBackend with(Map<String, String> chosen) {
    return new ClassicBackend(ShadowOptions.ofClassic(chosen));
  }

  @Override
  public String name() {
    return "shadow-classic";
  }

  @Override
  public String description() {
    return "shadow tables, brought into sync with the guest's when it invalidates";
  }

  @Override
  public Set<Feature> features() {
    return ShadowBackend.FEATURES;
  }

  @Override
  public Set<CpuProfile.Feature> cpuFeatures() {
    return ShadowBackend.CPU_FEATURES;
  }

  @Override
  public P2mFormat p2mFormat() {
    return P2mFormat.X86;
  }

  @Override
  public PagingDomain attach(Domain domain) {
    return ShadowBackend.attach(domain, options);
  }
}
