// SPDX-License-Identifier: Apache-2.0
package dev.quire.hypervisor;

import dev.quire.api.address.Addresses;
import dev.quire.api.domain.InterfaceDomain;
import dev.quire.api.hw.Cpu;
import dev.quire.api.hw.ExitReason;
import dev.quire.api.hw.OperationBlock;
import dev.quire.api.paging.Resolution;
import dev.quire.api.x86.Vector;
import java.util.EnumMap;
import java.util.Map;

/**
 * The exit table: who is asked about each exit. Reasons without a row are no exits: {@code DONE}
 * and {@code FAULT} go back to the workload, {@code PREEMPTED} is a safe point and nothing else.
 */
enum ExitRow {
  /** The paging mode: its own fault? Then the guest interface, if there is one; then the guest. */
  PAGE_FAULT(ExitReason.PAGE_FAULT, PageFaultExit::handle),

  /**
   * The guest interface, if there is one; otherwise the hypervisor, for the guest's registers, and
   * then the paging mode, for the hardware's.
   */
  REGISTER_WRITE(ExitReason.REGISTER_WRITE, RegisterWriteExit::handle),

  /** The paging mode: must the hardware invalidate too? */
  INVLPG(ExitReason.INVLPG, InvalidationExit::page),

  /** The hypervisor, for the operands; then the paging mode. */
  INVPCID(ExitReason.INVPCID, InvalidationExit::pcid),

  /** The paging mode, for what is lazy in its tables; then the domain, by its p2m. */
  NESTED_FAULT(ExitReason.NESTED_FAULT, (vcpu, cpu, block) -> vcpu.mode().nestedFault(vcpu)),

  /** The paging mode: lazy, or a mistake. */
  EPT_MISCONFIGURATION(
      ExitReason.EPT_MISCONFIGURATION, (vcpu, cpu, block) -> vcpu.mode().nestedFault(vcpu)),

  /** The paging mode empties the log. */
  PML_FULL(
      ExitReason.PML_FULL,
      (vcpu, cpu, block) -> {
        vcpu.mode().logFull(vcpu);
        return Resolution.FIXED;
      }),

  /** The guest interface. A guest that has none executes an instruction that its CPU lacks. */
  HYPERCALL(
      ExitReason.HYPERCALL,
      (vcpu, cpu, block) -> {
        InterfaceDomain guest = vcpu.domain().guestInterface();
        return guest == null ? inject(vcpu, Vector.UD) : guest.hypercall(vcpu, block);
      });

  /** Handles one kind of exit. */
  @FunctionalInterface
  interface Handler {
    /**
     * Decides what becomes of an exit; answers {@link Resolution#INJECT} with the exception in the
     * control block.
     *
     * @param cpu the CPU that the vCPU came out of
     * @param block its next operation is the one that exited
     */
    Resolution handle(GuestVcpu vcpu, Cpu cpu, OperationBlock block);
  }

  private static final Map<ExitReason, ExitRow> BY_REASON = new EnumMap<>(ExitReason.class);

  static {
    for (ExitRow row : values()) {
      BY_REASON.put(row.reason, row);
    }
  }

  private final ExitReason reason;
  private final Handler handler;

  ExitRow(ExitReason reason, Handler handler) {
    this.reason = reason;
    this.handler = handler;
  }

  static ExitRow of(ExitReason reason) {
    ExitRow row = BY_REASON.get(reason);
    if (row == null) {
      throw new IllegalStateException("a CPU came out with " + reason + ", which has no row");
    }
    return row;
  }

  Resolution handle(GuestVcpu vcpu, Cpu cpu, OperationBlock block) {
    return handler.handle(vcpu, cpu, block);
  }

  /** An exception that no walk raised, without an error code or with that of 0. */
  static Resolution inject(GuestVcpu vcpu, int vector) {
    vcpu.control().exit(vector, 0, Addresses.gva(0), 0);
    return Resolution.INJECT;
  }
}
