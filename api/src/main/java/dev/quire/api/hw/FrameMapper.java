// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.hw;

import dev.quire.api.address.Gfn;
import dev.quire.api.address.Mfn;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Where the tables of a walk lie in the machine: the step from the frame number in an entry to a
 * machine frame. Identity for tables that hold machine addresses, the p2m for a guest's own tables.
 */
@FunctionalInterface
@ConsumerType
public interface FrameMapper {
  /** The guest frame is no memory that a table can lie in. */
  long NONE = -1;

  /**
   * The machine frame behind a guest frame.
   *
   * @param gfn guest frame number
   * @return machine frame number, or {@link #NONE}
   */
  @Mfn
  long toMachine(@Gfn long gfn);
}
