// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.shadow;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.CpuProfile;
import java.util.Map;
import java.util.Set;

/**
 * Shadow paging as Xen has it since 3.1: the guest's tables are kept read-only and its writes to
 * them are emulated, so that the shadows are in step with them; but for a few last-level tables,
 * which the guest may write until it next invalidates.
 */
@ServiceProvider(PagingBackend.class)
public final class ShadowBackend implements PagingBackend {
  static final Set<Feature> FEATURES =
      Set.of(Feature.REFCOUNTS, Feature.TRANSLATE, Feature.EXTERNAL, Feature.LOG_DIRTY);

  /** And PV guests, for these with LOG_DIRTY only. */
  private static final Set<Feature> ALL_FEATURES =
      Set.of(Feature.REFCOUNTS, Feature.TRANSLATE, Feature.EXTERNAL, Feature.LOG_DIRTY, Feature.PV);

  /** Whatever the guest believes, the hardware runs on 8-byte entries with no-execute. */
  static final Set<CpuProfile.Feature> CPU_FEATURES =
      Set.of(CpuProfile.Feature.PAE, CpuProfile.Feature.NX);

  private final ShadowOptions options;

  /** For the service loader. */
  public ShadowBackend() {
    this(ShadowOptions.DEFAULT);
  }

  private ShadowBackend(ShadowOptions options) {
    this.options = options;
  }

  @Override
  public PagingBackend with(Map<String, String> chosen) {
    return new ShadowBackend(ShadowOptions.of(chosen));
  }

  @Override
  public String name() {
    return "shadow";
  }

  @Override
  public String description() {
    return "shadow tables, kept in step with the guest's by write protection";
  }

  @Override
  public Set<Feature> features() {
    return ALL_FEATURES;
  }

  @Override
  public Set<CpuProfile.Feature> cpuFeatures() {
    return CPU_FEATURES;
  }

  @Override
  public P2mFormat p2mFormat() {
    return P2mFormat.X86;
  }

  @Override
  public PagingDomain attach(Domain domain) {
    return domain.guestInterface() == null
        ? attach(domain, options)
        : new PvShadowDomain(domain, checked(domain, options));
  }

  /** The same with options of either generation. */
  static PagingDomain attach(Domain domain, ShadowOptions options) {
    if (!domain.isTranslated()) {
      throw new BackendUnavailableException("shadow paging needs a domain that has a p2m");
    }
    return new ShadowDomain(domain, checked(domain, options), new TranslatedFrames(domain));
  }

  private static ShadowOptions checked(Domain domain, ShadowOptions options) {
    if (!domain.machine().profile().features().containsAll(CPU_FEATURES)) {
      throw new BackendUnavailableException("shadow paging needs a CPU with PAE and no-execute");
    }
    return options;
  }
}
