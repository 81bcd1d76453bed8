// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.nativepaging;

import aQute.bnd.annotation.spi.ServiceProvider;
import dev.quire.api.domain.Domain;
import dev.quire.api.paging.BackendUnavailableException;
import dev.quire.api.paging.PagingBackend;
import dev.quire.api.paging.PagingDomain;
import java.util.Set;

/**
 * No virtualisation of memory: guest frames are machine frames, the hardware runs with the guest's
 * own registers, nothing exits. The baseline of every comparison, and Xen's {@code shadow/none.c}
 * in spirit. It keeps no guest out of another's memory.
 */
@ServiceProvider(PagingBackend.class)
public final class NativeBackend implements PagingBackend {
  /** For the service loader. */
  public NativeBackend() {}

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String description() {
    return "the guest's own tables on the bare machine, no intercepts";
  }

  @Override
  public Set<Feature> features() {
    return Set.of(Feature.IDENTITY);
  }

  @Override
  public PagingDomain attach(Domain domain) {
    if (!domain.isIdentity()) {
      throw new BackendUnavailableException(
          "native paging needs a domain whose guest frames are machine frames");
    }
    return new NativeDomain();
  }
}
