// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.paging.PagingBackend;
import org.osgi.annotation.versioning.ProviderType;

/** What runs on one machine and owns its memory. */
@ProviderType
public interface Hypervisor {
  /**
   * A domain that owns the machine: gfn = mfn for all of physical memory, devices too. There can be
   * one, and no other beside it.
   *
   * @param backend serves it; must be able to serve such a domain
   * @param vcpus how many vCPUs, each on the CPU of its number
   */
  Domain createOwner(PagingBackend backend, int vcpus);

  /**
   * A domain with memory of its own, on machine frames that the hypervisor allocates. Its guest
   * frames begin at 0, or are the machine frames themselves if the backend is an identity one.
   *
   * @param backend serves it
   * @param vcpus how many vCPUs
   * @param frames how much memory. Unit: frames
   */
  Domain createDomain(PagingBackend backend, int vcpus, long frames);

  /** Ends a domain and takes its memory back. */
  void destroy(Domain domain);
}
