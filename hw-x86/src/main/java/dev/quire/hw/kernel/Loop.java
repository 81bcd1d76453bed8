// SPDX-License-Identifier: Apache-2.0
package dev.quire.hw.kernel;

import dev.quire.api.hw.OperationBlock;

/** Runs accesses under one paging format. */
public abstract class Loop {
  /** The fault that ended the last {@link #run}, 0 if none did. */
  public long fault;

  /**
   * Runs plain probes until the end, a fault, or an operation that is something else.
   *
   * @return index of the first operation that is not done
   */
  public abstract int run(OperationBlock block, int from, int to);

  /**
   * One access.
   *
   * @param access flags of {@link dev.quire.api.x86.Access} and linear address
   * @return the machine address, or a fault
   */
  public abstract long translate(long access);

  /** Says which flags of {@link dev.quire.api.x86.Access} every access has in hardware. */
  public abstract void privilege(long flags);
}
