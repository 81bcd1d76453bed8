// SPDX-License-Identifier: Apache-2.0
package dev.quire.api.domain;

import dev.quire.api.address.Gva;
import dev.quire.api.hw.ControlBlock;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.hw.Registers;
import dev.quire.api.hw.WalkTrace;
import dev.quire.api.paging.Resolution;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/** A virtual CPU. Workloads run blocks on it; backends read and prepare it. */
@ProviderType
public interface Vcpu {
  /** Its number in the domain, from 0. */
  int number();

  /** The domain it belongs to. */
  Domain domain();

  /**
   * Runs a block from its index on. Guest code is never called back: on {@link RunResult#FAULT} the
   * workload runs its handler as further blocks and then calls this again with the first one.
   */
  RunResult run(OperationBlock block);

  /** The vector of the last {@link RunResult#FAULT}. */
  int faultVector();

  /** Its error code. */
  int faultErrorCode();

  /** Its linear address, if it is a page fault. */
  @Gva
  long faultLinear();

  /** The fault as the walk gave it, a {@link dev.quire.api.x86.Translation}: rule and level. */
  long fault();

  /**
   * What the guest believes its registers to be. Up to date at every safe point: what the guest
   * wrote without an exit is taken over from the hardware then.
   */
  Registers registers();

  /** What the hardware runs this vCPU with. */
  ControlBlock control();

  /**
   * How often the hypervisor had to handle an exit. Exceptions delivered to the guest without
   * interception are no exits.
   */
  long exits(ExitReason reason);

  /**
   * What kind of access the vCPU came out of: what an error code alone does not tell of it. For a
   * backend that handles a fault, on the vCPU's thread.
   *
   * @return flags of {@link dev.quire.api.x86.Access}
   */
  long trappedAccess();

  /**
   * Does the operation that the vCPU came out of in the hardware's place: for a backend that
   * handles an exit, on the vCPU's thread. The guest's tables are walked in software, memory and
   * devices are reached by the p2m; devices are null devices. What is written is told to {@link
   * dev.quire.api.paging.PagingDomain#guestMemoryWritten}.
   *
   * @return EMULATED; INJECT if the guest's own tables refuse the access; CRASH if there is neither
   *     memory nor device
   */
  Resolution emulate();

  /**
   * Walks the guest's own tables in software, changing and counting nothing.
   *
   * @param linear linear address
   * @param access flags of {@link dev.quire.api.x86.Access}
   * @param trace told of every step, or null
   * @return a {@link dev.quire.api.x86.Translation} whose frame is guest-physical (of a guest whose
   *     tables hold machine addresses: a machine frame), or the fault; with paging off, the address
   *     itself as a translation
   */
  long translate(@Gva long linear, long access, @Nullable WalkTrace trace);
}
