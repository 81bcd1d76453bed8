// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.hw.Machine;
import org.osgi.annotation.versioning.ProviderType;

/** Starts hypervisors. A service of {@code hypervisor}. */
@ProviderType
public interface HypervisorFactory {
  /** A hypervisor that owns {@code machine} from now on. */
  Hypervisor create(Machine machine);
}
