// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.hw.Operation;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A guest interface's hold on one domain: asked by the exit loop on the thread that runs the vCPU,
 * which is out of its block. What it keeps belongs to the domain and outlives every backend.
 */
@ConsumerType
public interface InterfaceDomain {
  /**
   * A hypercall.
   *
   * @param block its next operation is the call: the number in the operand, arguments by {@link
   *     OperationBlock#argument(int, int)}
   * @return EMULATED with the answer in the results; FIXED if the call was preempted and its
   *     arguments changed so that it goes on when it is made again; INJECT, CRASH
   */
  Resolution hypercall(Vcpu vcpu, OperationBlock block);

  /**
   * A page fault that the paging mode has left to the guest.
   *
   * @param block its next operation is the one that faulted
   * @return INJECT if it is the guest's
   */
  Resolution pageFault(Vcpu vcpu, OperationBlock block);

  /**
   * A write to a control register by a guest that runs without the privilege for it.
   *
   * @param kind which register
   * @param operand what shall be in it
   * @return INJECT for general protection: the hypervisor puts that into the control block
   */
  Resolution registerWrite(Vcpu vcpu, Operation.Kind kind, long operand);

  /**
   * An exception is about to become the guest's: it stands in the control block, and the guest's
   * kernel will handle it.
   */
  void delivering(Vcpu vcpu);

  /**
   * The domain ends, no vCPU runs any more: gives back every reference to its frames. Bounded: to
   * be called again as long as it says so.
   *
   * @return OK, or ERESTART
   */
  Errno relinquish();

  /**
   * Recomputes the invariants from scratch; no vCPU runs.
   *
   * @return one sentence for each that does not hold
   */
  List<String> audit();

  /** What the interface counts, by name, in a fixed order. */
  Map<String, Long> statistics();
}
