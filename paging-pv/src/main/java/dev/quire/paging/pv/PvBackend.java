// SPDX-License-Identifier: Apache-2.0
package dev.quire.paging.pv;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.Domain;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import java.util.Set;

/**
 * Direct paging: the hardware walks the guest's own tables, which the guest interface keeps safe.
 * The backend adds the intercepts and has nothing to rebuild.
 */
@ServiceProvider(PagingBackend.class)
public final class PvBackend implements PagingBackend {
  /** For the service loader. */
  public PvBackend() {}

  @Override
  public String name() {
    return "pv";
  }

  @Override
  public String description() {
    return "Xen PV: the hardware walks the guest's own validated tables";
  }

  @Override
  public Set<Feature> features() {
    return Set.of(Feature.PV);
  }

  @Override
  public PagingDomain attach(Domain domain) {
    if (domain.guestInterface() == null) {
      throw new BackendUnavailableException(
          "the backend pv serves guests of the interface pv only: their tables hold machine"
              + " addresses");
    }
    return new DirectPaging();
  }
}
