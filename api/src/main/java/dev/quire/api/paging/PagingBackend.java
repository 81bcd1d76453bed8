// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.paging;

import dev.quire.api.domain.Domain;
import dev.quire.api.domain.P2mFormat;
import dev.quire.api.x86.CpuProfile;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * One way to virtualise memory: shadow paging, nested paging, and so on. Providers declare
 * themselves ServiceLoader style and are found by {@link #name}; a backend has no state of its own.
 */
@ConsumerType
public interface PagingBackend {
  /** What a backend can do; Xen's mode bits, and the CPU's help it needs. */
  enum Feature {
    /** The backend, not the guest interface, controls references to the guest's tables. */
    REFCOUNTS,
    /** Guest frames are not machine frames: a p2m lies between. */
    TRANSLATE,
    /** The hypervisor is not mapped in the guest's tables. */
    EXTERNAL,
    /** Can record which frames the guest writes. */
    LOG_DIRTY,
    /**
     * Can serve guests whose tables hold machine addresses (Xen PV): with none of REFCOUNTS,
     * TRANSLATE and EXTERNAL for them, since the frame table keeps their tables safe.
     */
    PV,
    /** Guest frames are machine frames and the guest runs its own tables on the bare machine. */
    IDENTITY
  }

  /** The name that a configuration chooses it by. */
  String name();

  /** One sentence for {@code quire backends}. */
  String description();

  /** What it can do. */
  Set<Feature> features();

  /** What the CPU must have for the backend to serve anybody. */
  default Set<CpuProfile.Feature> cpuFeatures() {
    return Set.of();
  }

  /**
   * The format in which the backend needs the domain's p2m; null for one that needs none. The
   * hypervisor has it written in this format before {@link #attach}.
   */
  default @Nullable P2mFormat p2mFormat() {
    return null;
  }

  /**
   * The same backend with other than its default options. Called by the launcher with what the
   * configuration says.
   *
   * @param options by name; the backend's own page says which there are
   * @throws IllegalArgumentException if it has no such option or the value is bad
   */
  default PagingBackend with(Map<String, String> options) {
    if (!options.isEmpty()) {
      throw new IllegalArgumentException(
          "no option " + String.join(", ", options.keySet()) + "; there are none");
    }
    return this;
  }

  /**
   * Takes a domain over, at a safe point. All or nothing: if it throws, nothing has changed.
   *
   * @throws BackendUnavailableException if this machine or domain cannot be served, with the reason
   */
  PagingDomain attach(Domain domain);
}
