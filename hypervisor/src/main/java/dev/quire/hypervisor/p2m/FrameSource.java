// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor.p2m;

import dev.quire.api.address.Mfn;

/** Where pools take the machine's frames from and give them back to. */
public interface FrameSource {
  /**
   * Takes frames in a row.
   *
   * @return the first, or {@link dev.quire.api.hw.FrameMapper#NONE}
   */
  @Mfn
  long allocate(long count);

  /** Gives frames back. */
  void release(@Mfn long first, long count);
}
