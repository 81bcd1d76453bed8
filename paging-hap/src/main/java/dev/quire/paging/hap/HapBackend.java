// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.hap;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import dev.quire.api.x86.CpuProfile;
import java.util.Set;

/** What the two backends have in common, which is all but the {@link Dimension}. */
abstract class HapBackend implements PagingBackend {
  private final Dimension dimension;
  private final String name;
  private final String description;

  HapBackend(Dimension dimension, String name, String description) {
    this.dimension = dimension;
    this.name = name;
    this.description = description;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public Set<Feature> features() {
    return Set.of(Feature.REFCOUNTS, Feature.TRANSLATE, Feature.EXTERNAL, Feature.LOG_DIRTY);
  }

  @Override
  public Set<CpuProfile.Feature> cpuFeatures() {
    return Set.of(dimension.feature());
  }

  @Override
  public P2mFormat p2mFormat() {
    return dimension.p2mFormat();
  }

  @Override
  public PagingDomain attach(Domain domain) {
    CpuProfile profile = domain.machine().profile();
    if (!profile.has(dimension.feature())) {
      throw new BackendUnavailableException(
          name + " needs a CPU with " + dimension.feature() + "; this one has no second dimension");
    }
    if (!domain.isTranslated() || domain.p2m().format() != dimension.p2mFormat()) {
      throw new BackendUnavailableException(name + " needs a p2m of format " + p2mFormat());
    }
    return new HapDomain(dimension, domain);
  }
}
