// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

import dev.quire.api.address.Gfn;
import dev.quire.api.domain.Vcpu;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A backend's hold on one domain: Xen's {@code paging_domain}. It owns only what can be rebuilt
 * (law 1), so that it may be dropped at any safe point and another backend attached.
 */
@ConsumerType
public interface PagingDomain {
  /**
   * Chooses the mode for a vCPU from the guest's registers, prepares the control block (format,
   * root, intercepts) and returns the mode. Called at attach and whenever CR0.PG, CR4, EFER or what
   * else decides the mode changes.
   */
  PagingMode updatePagingModes(Vcpu vcpu);

  /**
   * Guest memory changed behind the vCPUs' backs: a device, the hypervisor or the toolstack wrote
   * it.
   *
   * @param first first guest frame
   * @param count how many
   */
  void guestMemoryChanged(@Gfn long first, long count);

  /** Lets go of everything; afterwards no table of the backend is in use by hardware. */
  void detach();

  /**
   * Recomputes the backend's invariants from scratch.
   *
   * @return one sentence for each that does not hold
   */
  List<String> audit();

  /** What the backend counts, by name, in a fixed order. */
  Map<String, Long> statistics();
}
