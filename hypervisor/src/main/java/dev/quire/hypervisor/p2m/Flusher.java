// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

/**
 * Makes the machine's CPUs forget a domain: INVEPT for EPT, new tags for NPT, the backend's own way
 * for shadows. Given to {@link DomainP2m} by whoever knows the backend.
 */
@FunctionalInterface
public interface Flusher {
  /**
   * When this returns no TLB and no paging-structure cache holds anything that was derived from the
   * domain's tables before the call. Called with the p2m locked.
   */
  void flush();
}
