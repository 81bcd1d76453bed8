// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.paging.PagingBackend;
import org.osgi.annotation.versioning.ProviderType;

/** What runs on one machine and owns its memory. */
@ProviderType
public interface Hypervisor {
  /**
   * A domain with memory of its own, all zeros. Its vCPUs are spread over the machine's CPUs.
   *
   * @param backend serves it
   * @param spec what it shall be
   * @throws IllegalArgumentException if the machine's free memory does not allow such a domain
   * @throws dev.quire.api.paging.BackendUnavailableException if the backend cannot serve it
   */
  Domain createDomain(PagingBackend backend, DomainSpec spec);

  /**
   * The same with a guest interface, which the domain keeps for as long as it lives: a guest whose
   * tables hold machine addresses and which makes hypercalls. Its frames have types.
   *
   * @param guest what kind of guest
   * @param policy what it may do beyond its own memory
   * @throws IllegalArgumentException if the machine's free memory does not allow such a domain, or
   *     the guest needs more memory than it shall have
   * @throws dev.quire.api.paging.BackendUnavailableException if the backend cannot serve it
   */
  Domain createDomain(
      PagingBackend backend, DomainSpec spec, GuestInterface guest, GuestPolicy policy);

  /**
   * Gives a domain to another backend, or to the same one anew. Waits until every vCPU is at a safe
   * point; not to be called from within a run. What belongs to the domain stays as it is: memory,
   * p2m, dirty log, registers. The p2m is written in the new backend's format.
   *
   * @throws dev.quire.api.paging.BackendUnavailableException if the backend cannot serve the
   *     domain; the old one goes on as if nothing had happened
   */
  void swap(Domain domain, PagingBackend backend);

  /** Owners, references and types of the frames of domains that have a guest interface. */
  FrameTable frames();

  /** Ends a domain and takes its memory back. */
  void destroy(Domain domain);
}
