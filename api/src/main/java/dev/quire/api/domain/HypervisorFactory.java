// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Mfn;
import dev.quire.api.hw.Machine;
import org.osgi.annotation.versioning.ProviderType;

/** Starts hypervisors. A service of {@code hypervisor}. */
@ProviderType
public interface HypervisorFactory {
  /** A hypervisor that owns {@code machine} from now on. */
  Hypervisor create(Machine machine);

  /**
   * A frame table that no machine uses, to compute with: what the frame table of a recorded machine
   * would have to be.
   *
   * @param end one past the last frame
   */
  FrameTable frameTable(@Mfn long end);
}
